// Stream: entries by ascending id, each a list of fields and values, and consumer groups that share
// the entries out among their consumers.
//
// Entries lie in blocks (stream_block.h), found by the id of their first entry: adding at the end
// and trimming at the front cost nothing in proportion to the stream. A group remembers what it
// handed to whom and has not been told to be done with, its pending entries, by id; each consumer
// has the ids that are its own.
//
// Invariants:
//   X1  every block has a live entry, and every live entry's id is at least its block's and below
//       the next block's; no block's is above last_id();
//   X2  length() is the number of live entries, first_id() the lowest of their ids, 0-0 without
//   any; X3  every pending entry of a group belongs to one of its consumers, which has its id, and
//   no
//       consumer has other ids.
//
// A stream without entries is a value like any other.
// Threads: the keyspace's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/collection_limits.h"
#include "store/collection.h"
#include "store/types/id_tree.h"
#include "store/types/stream_block.h"
#include "store/types/stream_id.h"

namespace holdfast {

struct StreamConsumer {
  struct Nothing {};

  // When it last asked for entries. Changed by asking alone, without an effect, as an access clock
  // is: an effect that names the consumer carries it along.
  mutable int64_t seen_ms = 0;
  int64_t active_ms = kNever;  // when it last got some
  IdTree<Nothing> pending;

  static constexpr int64_t kNever = -1;
};
using StreamConsumers = std::map<std::string, StreamConsumer, std::less<>>;

// An entry that was handed to a consumer.
struct StreamPending {
  int64_t delivered_ms;
  uint64_t deliveries;
  StreamConsumers::value_type* consumer;
};

struct StreamGroup {
  StreamId last_id;                     // the last one that was handed out
  int64_t entries_read = kUnknownRead;  // how many were, of all ever added; or unknown
  IdTree<StreamPending> pending;
  StreamConsumers consumers;

  static constexpr int64_t kUnknownRead = -1;

  // Null when there is none.
  const StreamConsumers::value_type* consumer(std::string_view name) const;
};
using StreamGroups = std::map<std::string, StreamGroup, std::less<>>;

// How to trim: what does not fit is dropped from the front.
struct StreamTrim {
  enum Strategy : uint8_t { kNone, kMaxLength, kMinId };
  Strategy strategy = kNone;
  bool whole_blocks = false;  // only those; cheaper
  uint64_t max_length = 0;
  StreamId min_id;
  uint64_t limit = 0;  // entries to drop at most; 0: any number
};

class Stream {
 public:
  Stream() = default;
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // The stream in a collection of this type.
  static const Stream& of(const Object& object) {
    return *static_cast<const Stream*>(object.collection().data);
  }

  // --- reading ---
  uint64_t length() const { return length_; }
  const StreamId& last_id() const { return last_id_; }  // of all ever added, or as it was set
  const StreamId& first_id() const { return first_id_; }
  const StreamId& max_deleted_id() const { return max_deleted_id_; }
  uint64_t entries_added() const { return entries_added_; }  // ever
  uint64_t blocks() const { return blocks_.size(); }
  uint64_t nodes() const { return blocks_.nodes(); }
  const StreamGroups& groups() const { return groups_; }
  // Null when there is none.
  const StreamGroup* group(std::string_view name) const;
  bool contains(const StreamId& id) const;
  // The highest id of a live entry; 0-0 without any.
  StreamId top_id() const;
  // How many entries were ever added up to and with `id`; kUnknownRead when that can't be told.
  int64_t entries_up_to(const StreamId& id) const;
  // Whether an entry from `id` on may have been deleted, so that counting on from there is wrong.
  bool has_deleted_from(const StreamId& id) const;
  // How many entries the group has not handed out yet; false when that can't be told.
  bool lag(const StreamGroup& group, int64_t* entries) const;

  // Up to which id trimming so would remove entries, and how many; false when it removes none.
  bool trim_point(const StreamTrim& trim, StreamId* up_to, uint64_t* removed) const;

  size_t memory() const;  // estimated from a few blocks

  // --- changing: called by effects and the decoder only ---
  // Entries are only added above last_id(); else nothing happens.
  void add(const StreamId& id, const StreamPairs& pairs, const CollectionLimits& limits);
  void remove(const StreamId& id);
  // Removes all entries up to and with this one.
  void trim(const StreamId& up_to);
  void set_ids(const StreamId& last, uint64_t entries_added, const StreamId& max_deleted) {
    last_id_ = last;
    entries_added_ = entries_added;
    max_deleted_id_ = max_deleted;
  }
  // Makes the group if it is not there.
  StreamGroup* make_group(std::string_view name);
  void drop_group(std::string_view name);
  StreamGroup* find_group(std::string_view name);
  // Makes the consumer if it is not there.
  static StreamConsumers::value_type* make_consumer(StreamGroup& group, std::string_view name);
  static void drop_consumer(StreamGroup& group, std::string_view name);
  // Makes the entry pending, whoever had it.
  static void assign(StreamGroup& group, StreamConsumers::value_type& consumer, const StreamId& id,
                     int64_t delivered_ms, uint64_t deliveries);
  static void acknowledge(StreamGroup& group, const StreamId& id);

  // Takes over a block that is StreamBlock::valid(); false when it does not fit behind the others.
  bool append_block(const StreamId& id, char* data);
  // Frees about so many entries and what belongs to them; true when the stream is empty of all.
  bool destroy_some(uint64_t* budget);

 private:
  friend class StreamIterator;
  friend void encode_stream(const Stream& stream, uint8_t rdb_type, bool compress,
                            std::string* out);

  void drop_block(const StreamId& id, const StreamBlock& block);
  void find_first_id();

  StreamId last_id_;
  StreamId first_id_;
  StreamId max_deleted_id_;
  uint64_t entries_added_ = 0;
  uint64_t length_ = 0;
  IdTree<char*> blocks_;
  StreamGroups groups_;
};

// Goes over the live entries of a range, from its low end or from its high one. Any change of the
// stream ends its life.
class StreamIterator {
 public:
  // Both ends belong to the range.
  StreamIterator(const Stream& stream, const StreamId& low, const StreamId& high,
                 bool backward = false);
  // Goes to the next entry; false when there is none.
  bool next();
  const StreamId& id() const { return entry_.id; }
  uint64_t pairs() const { return entry_.pairs; }
  // The next pair of this entry; REQUIRES: called at most pairs() times. The views live until the
  // next call.
  void pair(std::string_view* field, std::string_view* value) {
    reader_.next(field, value);
    ++pairs_read_;
  }

 private:
  bool step_forward();
  bool step_backward();
  void enter_block();

  const StreamId low_;
  const StreamId high_;
  const bool backward_;
  IdTree<char*>::Cursor cursor_;
  StreamBlock block_;
  StreamBlock::Pos at_ = 0;  // forward: of the entry after entry_; backward: of entry_
  StreamBlock::Entry entry_;
  bool on_entry_ = false;
  StreamBlock::Pairs reader_;
  uint64_t pairs_read_ = 0;
};

extern const CollectionType kStreamType;

}  // namespace holdfast
