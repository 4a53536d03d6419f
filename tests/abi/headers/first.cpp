// The C++ headers, in two translation units of one program.
#include "sv2.hpp"
#include "sv2_messages.hpp"

std::string_view name_in_second();

int main() { return sv2::message_traits<sv2_submit_solution>::name == name_in_second() ? 0 : 1; }
