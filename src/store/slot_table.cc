// See slot_table.h.
#include "store/slot_table.h"

namespace holdfast {

template class LinearTable<Object, SlotTableTraits>;

}  // namespace holdfast
