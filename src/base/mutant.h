// Mutants: the mistakes that docs/ENGINE.md forbids, each compiled in alone by `make mutants`,
// which expects a test to fail. In every other build mutant() is false and the branch is gone.
#pragma once

namespace holdfast {

enum class Mutant {
  kNone,
  kCutBelowDurable,        // D1
  kReadErrorEndsLog,       // D2
  kAckFailedFlush,         // D3
  kRetryFailedFlush,       // D4
  kTrimOlderLog,           // D5
  kReuseOlderExtents,      // D6
  kTrustUncertainHead,     // D7
  kFormatDamaged,          // D8
  kForeignBlocks,          // D9
  kRewriteDurableBlock,    // D10
  kResurrectCut,           // D11
  kRepairByDeleting,       // D12
  kCheckpointUncommitted,  // D13
  kReuseGeneration,        // D14
  kSkipDamagedRecords,     // D15
  kLogBeforeData,          // D16
};

#ifndef HOLDFAST_MUTANT
#define HOLDFAST_MUTANT 0
#endif

constexpr bool mutant(Mutant which) { return static_cast<int>(which) == HOLDFAST_MUTANT; }

}  // namespace holdfast
