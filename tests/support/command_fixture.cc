// See command_fixture.h.
#include "tests/support/command_fixture.h"

#include <cstdlib>

#include "base/assert.h"

namespace holdfast {
namespace {

constexpr int64_t kReplyLimitMs = 60'000;

}  // namespace

std::string encode_request(const std::vector<std::string>& args) {
  std::string out = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string& arg : args) {
    out += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  }
  return out;
}

size_t reply_length(std::string_view bytes) {
  const size_t line = bytes.find("\r\n");
  if (line == std::string_view::npos) return 0;
  const long long count = std::atoll(std::string(bytes.substr(1, line - 1)).c_str());
  size_t at = line + 2;
  switch (bytes[0]) {
    case '$':
    case '=':
      if (count < 0) return at;
      at += static_cast<size_t>(count) + 2;
      return at <= bytes.size() ? at : 0;
    case '*':
    case '~':
    case '>':
    case '%':
    case '|': {
      long long left = bytes[0] == '%' || bytes[0] == '|' ? count * 2 : count;
      if (bytes[0] == '|') ++left;  // the reply that the attribute belongs to
      for (; left > 0; --left) {
        const size_t element = reply_length(bytes.substr(at));
        if (element == 0) return 0;
        at += element;
      }
      return at;
    }
    default:
      return at;
  }
}

TestClient::TestClient(SimReactor& reactor, std::unique_ptr<Conn> conn)
    : reactor_(reactor), conn_(std::move(conn)) {
  conn_->set_handler(this);
  conn_->want_write(true);
}

void TestClient::send_raw(std::string_view bytes) {
  to_send_.append(bytes);
  conn_->want_write(true);
}

void TestClient::on_writable() {
  while (!to_send_.empty()) {
    const iovec part{to_send_.data(), to_send_.size()};
    const IoResult result = conn_->writev(std::span(&part, 1));
    if (result.kind != IoResult::kDone) return;
    to_send_.erase(0, result.bytes);
  }
  conn_->want_write(false);
}

void TestClient::on_readable() {
  char buffer[4096];
  while (true) {
    const IoResult result = conn_->read(buffer, sizeof buffer);
    if (result.kind == IoResult::kWouldBlock) return;
    if (result.kind == IoResult::kClosed) {
      closed_ = true;
      conn_->want_read(false);
      return;
    }
    inbox_.append(buffer, result.bytes);
  }
}

std::string TestClient::received(int64_t after_ms) {
  reactor_.run_for(after_ms);
  return std::exchange(inbox_, {});
}

std::string TestClient::run(const std::vector<std::string>& args) {
  send(args);
  reactor_.run_until([this] { return closed_ || reply_length(inbox_) > 0; }, kReplyLimitMs);
  const size_t length = reply_length(inbox_);
  const std::string reply = inbox_.substr(0, length);
  inbox_.erase(0, length);
  return reply;
}

CommandFixture::CommandFixture(std::function<void(Options&)> change, std::unique_ptr<Engine> engine,
                               uint64_t seed, ServerHooks hooks)
    : random_(seed), net_(reactor_, random_), engine_(std::move(engine)) {
  if (change) change(options_);
  if (engine_ == nullptr) engine_ = std::make_unique<MemEngine>();
  keyspace_ = std::make_unique<Keyspace>(random_.next());
  keyspace_->set_limits(options_.collections);
  shard_ = std::make_unique<Shard>(reactor_, *engine_, *keyspace_, ShardOptions{});
  HF_ASSERT(open_and_recover(*shard_).ok());
  shards_ = std::make_unique<Shards>(*shard_);
  server_ = std::make_unique<Server>(reactor_, net_, random_, options_, *shards_, std::move(hooks));
  HF_ASSERT(server_->listen().ok());
}

TestClient& CommandFixture::connect() {
  auto conn = net_.connect(server_->addresses()[0]);
  HF_ASSERT(conn.ok());
  clients_.push_back(std::make_unique<TestClient>(reactor_, std::move(conn.value())));
  return *clients_.back();
}

TestClient& CommandFixture::client() {
  if (first_ == nullptr) first_ = &connect();
  return *first_;
}

std::string CommandFixture::run3(const std::vector<std::string>& args) {
  if (resp3_ == nullptr) {
    resp3_ = &connect();
    HF_ASSERT(resp3_->run({"HELLO", "3"})[0] == '%');
  }
  return resp3_->run(args);
}

}  // namespace holdfast
