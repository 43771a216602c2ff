// The words for the types of values, as TYPE prints and SCAN ... TYPE takes them.
#pragma once

#include <string_view>

#include "store/object.h"

namespace holdfast {

constexpr ObjectType kObjectTypes[] = {ObjectType::kString, ObjectType::kList, ObjectType::kSet,
                                       ObjectType::kZset,   ObjectType::kHash, ObjectType::kStream};

std::string_view type_name(ObjectType type);

}  // namespace holdfast
