// Who is paid by the blocks that a user's miners find.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <sv2.hpp>

#include "settings.hpp"
#include "work_source.hpp"

// The engine knows each payout by a number, its work_id. All blocks pay the pool's own, unless users are paid: then each script has
// one, as long as there is a channel that mines for it.
class Payees {
public:
    explicit Payees(const Settings& settings) : settings_(settings) {}

    // What templates must leave free for the outputs of any payout.
    Reserved reserved() const;

    // Names the pool's own payout to the engine. Empty, or a sentence about why it cannot be.
    std::string start(sv2::MiningServer& engine);

    // The payout of a user, which the engine knows from now on; nothing, with what is wrong in `error`, if nobody can be paid.
    std::optional<std::uint64_t> work_of(sv2::MiningServer& engine, std::string_view user_identity, std::string& error);

    // Channels that mine it; one that nobody mines any more is forgotten.
    void opened(std::uint64_t work_id);
    void closed(sv2::MiningServer& engine, std::uint64_t work_id);
    // After a channel that was to mine it was not opened.
    void forget_unused(sv2::MiningServer& engine, std::uint64_t work_id);

private:
    struct User {
        host::Bytes script_pubkey;
        std::size_t channels = 0;
    };

    sv2::Status name_payout(sv2::MiningServer& engine, std::uint64_t work_id, const host::Bytes* user_script) const;

    static constexpr std::uint64_t pool_work_id = 1;
    const Settings& settings_;
    std::map<host::Bytes, std::uint64_t> work_ids_;  // of users, by their script
    std::map<std::uint64_t, User> users_;            // by work_id
    std::uint64_t next_work_id_ = pool_work_id + 1;
};
