# Jobs for Sidekiq's workers (see sidekiq_app.rb), on the server at HOLDFAST_URL.
require "sidekiq"

Sidekiq.configure_server do |config|
  config.redis = { url: ENV["HOLDFAST_URL"] }
  config.options[:poll_interval_average] = 0.2
end
Sidekiq.configure_client { |config| config.redis = { url: ENV["HOLDFAST_URL"] } }

class Add
  include Sidekiq::Worker

  def perform(a, b)
    Sidekiq.redis { |redis| redis.hincrby("sums", a.to_s, a + b) }
  end
end

class SecondTime
  include Sidekiq::Worker
  sidekiq_options retry: 3
  sidekiq_retry_in { 1 }

  def perform
    runs = Sidekiq.redis { |redis| redis.incr("runs") }
    raise "on purpose" if runs < 2
  end
end

class Fail
  include Sidekiq::Worker
  sidekiq_options retry: 0

  def perform
    raise "on purpose"
  end
end
