// Functions: libraries of FUNCTION LOAD, compiled. Their source is state of the keyspace, which is
// logged, checkpointed and replicated; this is what was made of it, and is made anew when the
// keyspace's libraries are not those that were compiled.
//
// A library is code that registers functions when it is loaded; nothing else can be called then.
// Functions are found without regard to case; of two in a library whose names differ in case only,
// one is.
// Threads: the reactor's only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "resp/script/lua_machine.h"

namespace holdfast {

struct Function {
  std::string name;
  int function = 0;  // a reference in the machine's registry
  uint32_t flags = 0;
  std::optional<std::string> description;
};

struct Library {
  std::string name;
  std::string code;
  std::map<std::string, Function> functions;  // by name
};

class Functions {
 public:
  Functions(Server& server, const Keyspace& keyspace);

  // Compiles what the keyspace has and this has not. Called before anything else is asked.
  void sync();

  const std::map<std::string, Library>& libraries() const { return libraries_; }
  // Null when there is none.
  const Function* find(std::string_view name) const;
  size_t count() const { return by_name_.size(); }
  size_t lua_bytes() const { return machine_->memory(); }
  size_t code_bytes() const;

  // Compiles a library; false with the reason, an error line. It is not in use before adopt().
  bool compile(std::string_view code, Library* library, std::string* error);
  // The first function of `library` that one of another name has in use; null if none.
  const Function* clash(const Library& library) const;
  // The keyspace has this library now: it is taken over, in place of an older one of its name.
  void adopt(Library library);
  // A compiled library is not wanted after all.
  void drop(Library& library);
  // The keyspace has forgotten it.
  void forget(const std::string& name);
  void forget_all();

  // Runs it as FCALL does.
  void run(CommandContext& c, const Function& function, bool read_only,
           std::span<const std::string_view> keys, std::span<const std::string_view> args);

  // --- for the library `redis` while a library is loaded ---
  // Takes the function that was described; false with the reason.
  bool add(Function function, std::string* error);

 private:
  void make_machine();
  void index(const Library& library);

  Server& server_;
  const Keyspace& keyspace_;
  std::unique_ptr<LuaMachine> machine_;
  std::map<std::string, Library> libraries_;
  struct Place {
    const Library* library;
    const Function* function;
  };
  std::map<std::string, Place> by_name_;  // by lower-case name
  Library* loading_ = nullptr;
  uint64_t version_ = 0;  // of the keyspace's libraries that are compiled
};

// The name out of a library's first line; false with the reason, an error line.
bool read_library_header(std::string_view code, std::string* name, std::string_view* body,
                         std::string* error);

}  // namespace holdfast
