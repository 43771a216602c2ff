// hiredis, synchronous: single commands, pipelines, binary values, errors. Usage: hiredis_sync PORT
#include <hiredis/hiredis.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

void check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "hiredis_sync: %s\n", what);
  std::exit(1);
}

redisReply* expect(void* reply, int type, const char* what) {
  auto* r = static_cast<redisReply*>(reply);
  check(r != nullptr && r->type == type, what);
  return r;
}

}  // namespace

int main(int argc, char** argv) {
  check(argc == 2, "usage: hiredis_sync PORT");
  redisContext* c = redisConnect("127.0.0.1", std::atoi(argv[1]));
  check(c != nullptr && c->err == 0, "connect");

  freeReplyObject(expect(redisCommand(c, "SET %s %b", "bin", "a\0b\r\n", size_t{5}),
                         REDIS_REPLY_STATUS, "SET"));
  redisReply* r = expect(redisCommand(c, "GET bin"), REDIS_REPLY_STRING, "GET");
  check(r->len == 5 && std::memcmp(r->str, "a\0b\r\n", 5) == 0, "binary value");
  freeReplyObject(r);
  freeReplyObject(expect(redisCommand(c, "GET absent"), REDIS_REPLY_NIL, "nil"));
  r = expect(redisCommand(c, "INCRBY n 41"), REDIS_REPLY_INTEGER, "INCRBY");
  check(r->integer == 41, "integer");
  freeReplyObject(r);
  r = expect(redisCommand(c, "INCR bin"), REDIS_REPLY_ERROR, "error");
  check(std::strcmp(r->str, "ERR value is not an integer or out of range") == 0, "error text");
  freeReplyObject(r);

  constexpr int kPipeline = 10000;
  for (int i = 0; i < kPipeline; ++i) redisAppendCommand(c, "SET key:%d %d", i, i);
  for (int i = 0; i < kPipeline; ++i) {
    void* reply = nullptr;
    check(redisGetReply(c, &reply) == REDIS_OK, "pipeline");
    freeReplyObject(expect(reply, REDIS_REPLY_STATUS, "pipelined SET"));
  }
  r = expect(redisCommand(c, "MGET key:1 absent key:9999"), REDIS_REPLY_ARRAY, "MGET");
  check(r->elements == 3 && std::strcmp(r->element[2]->str, "9999") == 0, "MGET elements");
  check(r->element[1]->type == REDIS_REPLY_NIL, "nil element");
  freeReplyObject(r);

  const std::string big(8 << 20, 'x');
  freeReplyObject(expect(redisCommand(c, "SET big %b", big.data(), big.size()), REDIS_REPLY_STATUS,
                         "SET of 8 MiB"));
  r = expect(redisCommand(c, "GETRANGE big -3 -1"), REDIS_REPLY_STRING, "GETRANGE");
  check(std::strcmp(r->str, "xxx") == 0, "GETRANGE value");
  freeReplyObject(r);
  redisFree(c);
  std::puts("hiredis_sync: ok");
}
