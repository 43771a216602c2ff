// StreamBlock: some neighbouring entries of a stream in one listpack, exactly as Redis keeps them
// in a node, so that DUMP payloads are taken and given as they lie.
//
//   head      live, dead, n, field 1 .. n, 0      the block's id is that of its first entry
//   entry     flags, ms - id.ms, seq - id.seq,
//             value 1 .. n                        with kSameFields: those of the head
//             m, field 1, value 1 .. field m, value m                       without
//             how many elements the entry has, without this one
//   ...
//
// An entry that is deleted is only marked; a block in which all are is freed by the stream.
//
// A handle on a listpack that the stream owns. After a change only data() may be asked for, which
// may be another address, and entries found before are gone.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/codec.h"
#include "store/types/listpack.h"
#include "store/types/stream_id.h"

namespace holdfast {

// Fields and values of an entry on its way into a stream: each a string in the sense of put_bytes.
struct StreamPairs {
  uint64_t count = 0;
  std::string_view bytes;

  size_t text_bytes() const;  // of all fields and values
  // Whether a block can hold such an entry at all.
  bool storable() const;
};

class StreamBlock {
 public:
  using Pos = Listpack::Pos;

  struct Entry {
    Pos at = 0;  // of its flags
    StreamId id;
    bool dead = false;
    bool same_fields = false;
    uint64_t pairs = 0;
    Pos body = 0;  // of its first field, or value
  };

  // A block without entries whose head has these fields.
  static char* create(const StreamPairs& pairs);
  // Whether the listpack, which is Listpack::valid(), is such a block; with the ids of its live
  // entries in ascending order, none below `base`, and at least one entry, live or dead.
  static bool valid(char* data, const StreamId& base);

  StreamBlock() = default;
  StreamBlock(char* data, const StreamId& base);

  char* data() const { return pack_.block(); }
  size_t bytes() const { return pack_.total(); }
  // Whether an entry with that much text can still be put into a listpack.
  bool fits(const StreamPairs& pairs) const;
  uint64_t live() const { return number(pack_.first()); }
  uint64_t dead() const { return number(pack_.next(pack_.first())); }

  // --- going through the entries, dead ones too ---
  // Where the first one begins, and where the next would: the ends of what next() and prev() give.
  Pos begin() const { return entries_; }
  Pos end() const { return pack_.end(); }
  // REQUIRES: at is where an entry begins.
  Entry entry(Pos at) const;
  Pos next(const Entry& entry) const;
  // The same, when all its pairs were read.
  class Pairs;
  Pos next(const Pairs& read) const;
  // The beginning of the entry before the one at `at`. REQUIRES: at != begin().
  Pos prev(Pos at) const;
  // The live entry of this id. False when there is none.
  bool find(const StreamId& id, Entry* entry) const;
  // The last entry, be it dead, and the last live one. REQUIRES: there is one.
  Entry last() const { return entry(prev(end())); }
  Entry last_live() const;

  // Reads the pairs of an entry one after the other.
  class Pairs {
   public:
    void start(const StreamBlock& block, const Entry& entry);
    // REQUIRES: called at most entry.pairs times. The views live until the next call, or change.
    void next(std::string_view* field, std::string_view* value);

   private:
    friend class StreamBlock;
    Listpack pack_{nullptr};
    Pos field_ = 0;  // in the head; 0: beside the values
    Pos at_ = 0;
    IntScratch field_scratch_;
    IntScratch value_scratch_;
  };

  // --- changing ---
  // REQUIRES: fits() or a block without entries; the id is above those of all live entries.
  void append(const StreamId& id, const StreamPairs& pairs);
  // REQUIRES: the entry is live.
  void mark_dead(const Entry& entry);
  // All live entries up to and with this one; gives how many.
  uint64_t mark_dead_up_to(const StreamId& id);

 private:
  uint64_t number(Pos at) const {
    int64_t value = 0;
    pack_.integer(at, &value);
    return static_cast<uint64_t>(value);
  }
  bool same_fields(const StreamPairs& pairs) const;
  void set_dead(const Entry& entry);
  void count(int64_t live, int64_t dead);

  Listpack pack_{nullptr};
  StreamId base_;
  uint64_t head_pairs_ = 0;
  Pos head_fields_ = 0;
  Pos entries_ = 0;
};

}  // namespace holdfast
