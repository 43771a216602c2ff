# Sidekiq with a real worker process against a server. Usage: sidekiq_app.rb PORT. Fails by raising.
ENV["HOLDFAST_URL"] = "redis://127.0.0.1:#{ARGV[0]}"
require "sidekiq/api"
require_relative "sidekiq_jobs"

def ensure_that(what)
  raise "not so: #{what}" unless yield
end

def wait_for(what)
  stop = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 30
  until yield
    raise "never: #{what}" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > stop
    sleep 0.02
  end
end

worker = spawn("sidekiq", "-r", "./sidekiq_jobs.rb", "-c", "5", "-q", "default", "-q", "low",
               chdir: __dir__, out: File::NULL)
begin
  wait_for("the worker") { Sidekiq::ProcessSet.new.size == 1 }
  100.times { |i| Add.perform_async(i, 1) }
  Sidekiq::Client.push_bulk("class" => Add, "queue" => "low", "args" => (100...200).map { |i| [i, 1] })
  SecondTime.perform_async
  Fail.perform_async
  Add.perform_in(0.3, 200, 1)
  Add.perform_in(1000, 201, 1)
  redis = Redis.new(url: ENV["HOLDFAST_URL"])
  wait_for("all jobs") { redis.hlen("sums") == 201 }
  ensure_that("each ran once") { redis.hgetall("sums").all? { |a, sum| sum.to_i == a.to_i + 1 } }
  wait_for("the retry") { redis.get("runs") == "2" && Sidekiq::RetrySet.new.size.zero? }
  wait_for("the failure") { Sidekiq::DeadSet.new.map(&:klass) == ["Fail"] }
  ensure_that("a job is put off") { Sidekiq::ScheduledSet.new.map(&:args) == [[201, 1]] }
  Sidekiq::ScheduledSet.new.first.delete
  Sidekiq::DeadSet.new.clear
  # The worker's counts come with its beat, at the latest when it ends.
  Process.kill("TERM", worker)
  ensure_that("exit of the worker") { Process.wait2(worker)[1].success? }
  worker = nil
  stats = Sidekiq::Stats.new
  ensure_that("counts") { [stats.processed, stats.failed, stats.enqueued] == [204, 2, 0] }
  ensure_that("it signed off") { Sidekiq::ProcessSet.new.size.zero? }
  5.times { |i| Add.perform_async(i, 1) }
  queue = Sidekiq::Queue.new
  ensure_that("the order") { queue.map(&:args) == (0..4).map { |i| [i, 1] }.reverse }
  queue.find_job(queue.first.jid).delete
  ensure_that("one less") { queue.size == 4 }
  queue.clear
  redis.flushall
ensure
  Process.kill("KILL", worker) if worker
end
puts "sidekiq_app.rb: ok"
