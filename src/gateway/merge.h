// How the answers of several nodes become one. Pure: whole answers in, one answer out.
//
// An error of any part is the answer to all of it: the first, in the order of the parts.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/types.h"
#include "gateway/command_plan.h"

namespace holdfast {

// `order`: for Merge::kGather, the part that has the answer for each key.
std::string merge_answers(Merge merge, std::span<const std::string_view> parts,
                          std::span<const uint32_t> order, Random& random);

// A cursor of a whole cluster: the node's own, and the slot by which that node is found again.
inline constexpr int kScanNodeBits = 50;  // of the node's cursor
// 0 is the end: a node's end with no node behind it.
uint64_t join_cursor(uint64_t of_node, SlotId slot);
void split_cursor(uint64_t cursor, uint64_t* of_node, SlotId* slot);

// The answer to SCAN with the cursor of the whole. `next_slot`: of the node behind the one that
// answered; -1: it was the last. Empty: this is no answer to SCAN, or its cursor is too large.
std::string merge_scan(std::string_view answer, SlotId slot, int next_slot);

}  // namespace holdfast
