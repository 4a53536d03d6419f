#include "sv2.hpp"
#include "sv2_messages.hpp"

std::string_view name_in_second();

std::string_view name_in_second() { return sv2::message_traits<sv2_submit_solution>::name; }
