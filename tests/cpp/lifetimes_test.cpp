// What must not compile: views into objects that are gone when the statement ends, and copies of what is owned or
// borrowed.
//
// All of it is checked at compile time; each refusal stands beside the use that is allowed.

#include <array>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sv2.hpp"

namespace {

// Whether `f` may be called with a `T`: an lvalue if T is a reference, a temporary if it is not.
template <class T, class F>
constexpr bool allows(F) {
    return std::is_invocable_v<F, T>;
}

// A use of an object, as a type: SV2_USE(x.output()) can be called with every x that has an `output()` for it.
#define SV2_USE(expression) [](auto&& x) -> decltype((void)(expression)) {}
#define SV2_X std::forward<decltype(x)>(x)

using sv2::Connection, sv2::Decoder, sv2::Identity, sv2::Message, sv2::Result, sv2::SecretKey, sv2::TemplateProvider;

// Owners are moved, not copied.
template <class T>
constexpr bool is_moved_only = std::is_nothrow_move_constructible_v<T>&& std::is_nothrow_move_assignable_v<T> &&
                               !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;
static_assert(is_moved_only<Connection> && is_moved_only<Decoder> && is_moved_only<Identity>);
static_assert(is_moved_only<TemplateProvider> && is_moved_only<SecretKey>);

// A message borrows from its connection: it stays where it is.
static_assert(!std::is_copy_constructible_v<Message> && !std::is_copy_assignable_v<Message>);
static_assert(!std::is_move_constructible_v<Message> && !std::is_move_assignable_v<Message>);

// Views into a connection.
static_assert(allows<Connection&>(SV2_USE(SV2_X.output())) && !allows<Connection>(SV2_USE(SV2_X.output())));
static_assert(allows<Connection&>(SV2_USE(SV2_X.room(1))) && !allows<Connection>(SV2_USE(SV2_X.room(1))));
static_assert(allows<Connection&>(SV2_USE(SV2_X.error())) && !allows<Connection>(SV2_USE(SV2_X.error())));
static_assert(allows<Connection&>(SV2_USE(SV2_X.get())) && !allows<Connection>(SV2_USE(SV2_X.get())));
static_assert(allows<Connection&>(SV2_USE(SV2_X.next(std::declval<Message&>()))) &&
              !allows<Connection>(SV2_USE(SV2_X.next(std::declval<Message&>()))));
static_assert(allows<Connection>(SV2_USE(SV2_X.release())) && !allows<Connection&>(SV2_USE(SV2_X.release())));
static_assert(allows<Connection>(SV2_USE(SV2_X.is_established())));  // a value

// Views into the other objects.
static_assert(allows<Decoder&>(SV2_USE(SV2_X.error())) && !allows<Decoder>(SV2_USE(SV2_X.error())));
static_assert(!allows<Decoder>(SV2_USE(SV2_X.decode(std::declval<sv2_frame>(), std::declval<Message&>()))));
static_assert(allows<SecretKey&>(SV2_USE(SV2_X.secret_bytes())) && !allows<SecretKey>(SV2_USE(SV2_X.secret_bytes())));
static_assert(allows<TemplateProvider&>(SV2_USE(SV2_X.output(1))) &&
              !allows<TemplateProvider>(SV2_USE(SV2_X.output(1))));
static_assert(allows<TemplateProvider&>(SV2_USE(SV2_X.next_event())) &&
              !allows<TemplateProvider>(SV2_USE(SV2_X.next_event())));
static_assert(is_moved_only<sv2::MiningServer> && is_moved_only<sv2::Payout>);
static_assert(allows<sv2::MiningServer&>(SV2_USE(SV2_X.output(1))) &&
              !allows<sv2::MiningServer>(SV2_USE(SV2_X.output(1))));
static_assert(allows<sv2::MiningServer&>(SV2_USE(SV2_X.next_event())) &&
              !allows<sv2::MiningServer>(SV2_USE(SV2_X.next_event())));
static_assert(allows<sv2::MiningServer&>(SV2_USE(SV2_X.next_block())) &&
              !allows<sv2::MiningServer>(SV2_USE(SV2_X.next_block())));
static_assert(allows<sv2::Payout&>(SV2_USE(SV2_X.output(1, 0))) && !allows<sv2::Payout>(SV2_USE(SV2_X.output(1, 0))));

// Views into a message.
static_assert(allows<Message&>(SV2_USE(SV2_X.template get_if<sv2_set_target>())) &&
              !allows<Message>(SV2_USE(SV2_X.template get_if<sv2_set_target>())));
static_assert(allows<sv2_message&>(SV2_USE(sv2::get_if<sv2_set_target>(SV2_X))) &&
              !allows<sv2_message>(SV2_USE(sv2::get_if<sv2_set_target>(SV2_X))));

// The value of a result: out of a temporary it is moved, and there is no pointer to it.
static_assert(std::is_same_v<decltype(*std::declval<Result<Connection>&>()), Connection&>);
static_assert(std::is_same_v<decltype(*std::declval<Result<Connection>>()), Connection>);
static_assert(allows<Result<Connection>&>(SV2_USE(SV2_X.operator->())) &&
              !allows<Result<Connection>>(SV2_USE(SV2_X.operator->())));
// A number is neither taken for a value nor for a status.
static_assert(!std::is_convertible_v<int, Result<std::size_t>>);
static_assert(std::is_convertible_v<std::size_t, Result<std::size_t>> &&
              std::is_convertible_v<sv2::Status, Result<std::size_t>>);

// Bytes and lists to be sent: of lvalues, views and literals, not of containers that are about to die.
using Vector = std::vector<std::uint8_t>;
static_assert(allows<Vector&>(SV2_USE(sv2::bytes(SV2_X))) && allows<const Vector&>(SV2_USE(sv2::bytes(SV2_X))));
static_assert(allows<sv2::Bytes>(SV2_USE(sv2::bytes(SV2_X))));
static_assert(allows<std::span<const std::byte>>(SV2_USE(sv2::bytes(SV2_X))));
static_assert(!allows<Vector>(SV2_USE(sv2::bytes(SV2_X))));
static_assert(!allows<std::array<std::uint8_t, 4>>(SV2_USE(sv2::bytes(SV2_X))));
static_assert(allows<std::string&>(SV2_USE(sv2::str(SV2_X))) && allows<const char (&)[3]>(SV2_USE(sv2::str(SV2_X))));
static_assert(allows<std::string_view>(SV2_USE(sv2::str(SV2_X))) && !allows<std::string>(SV2_USE(sv2::str(SV2_X))));
static_assert(allows<std::vector<sv2_u256>&>(SV2_USE(sv2::list(SV2_X))));
static_assert(!allows<std::vector<sv2_u256>>(SV2_USE(sv2::list(SV2_X))));
static_assert(!allows<std::vector<std::uint16_t>>(SV2_USE(sv2::list(SV2_X))));
static_assert(!allows<std::vector<std::uint32_t>>(SV2_USE(sv2::list(SV2_X))));
static_assert(!allows<std::vector<sv2_bytes>>(SV2_USE(sv2::list(SV2_X))));
static_assert(allows<Vector&>(SV2_USE(sv2::split_frame(SV2_X))) && !allows<Vector>(SV2_USE(sv2::split_frame(SV2_X))));

// What costs nothing: an owner is a pointer, a status is its number.
static_assert(sizeof(Connection) == sizeof(void*) && sizeof(Decoder) == sizeof(void*) &&
              sizeof(Identity) == sizeof(void*));
static_assert(sizeof(sv2::Status) == sizeof(sv2_status) && std::is_trivially_copyable_v<sv2::Status>);
static_assert(sizeof(Message) == sizeof(sv2_message));

}  // namespace

int main() {}
