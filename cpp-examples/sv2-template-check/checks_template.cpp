// The first template and its tip (spec 7.2 and 7.3).
#include <cstdint>

#include "checks.hpp"

namespace {

constexpr std::size_t max_prefix = 8;
constexpr std::int64_t two_hours = 2 * 60 * 60;
constexpr std::uint32_t lock_time_threshold = 500'000'000;  // below it a lock time is a height
constexpr std::uint64_t max_money = 21'000'000ull * 100'000'000;

std::uint32_t known_height(Session& s) {
    const auto height = height_of(s.first_template());
    if (!height) throw Skip{"the height is not known"};
    return *height;
}

}  // namespace

Verdict check_template_immediately(Session& s) {
    s.setup_success();
    Peer& peer = s.main();
    const std::size_t mark = peer.mark();
    peer.send(small_constraints);
    const bool came = peer.await<NewTemplate>(mark);
    return expect(came, "NewTemplate", peer.heard(mark));
}

Verdict check_prev_hash_follows(Session& s) {
    s.first_template();
    Peer& peer = s.main();
    const bool came = peer.await<SetNewPrevHash>();
    return expect(came, "SetNewPrevHash", peer.heard());
}

// Blocks of version 4 and more are all that consensus accepts since BIP 65; the number is signed.
Verdict check_header_version(Session& s) {
    const auto version = static_cast<std::int32_t>(s.first_template().version);
    return measure(version >= 4, "4 or more", std::to_string(version));
}

Verdict check_coinbase_prefix_length(Session& s) {
    const std::size_t length = s.first_template().coinbase_prefix.size();
    return measure(length <= max_prefix, "at most 8 bytes", std::to_string(length));
}

Verdict check_coinbase_prefix_height(Session& s) {
    const NewTemplate& made = s.first_template();
    const auto height = height_of(made);
    return height ? ok(std::to_string(*height)) : failed("a height", quoted(host::hex(made.coinbase_prefix)));
}

Verdict check_coinbase_outputs_bare(Session& s) {
    const NewTemplate& made = s.first_template();
    return expect(!has_counted_outputs(made), "the first output", "a count before the outputs");
}

Verdict check_coinbase_outputs(Session& s) {
    const NewTemplate& made = s.first_template();
    if (made.coinbase_prefix.size() > max_prefix) throw Skip{"there is no coinbase without its prefix"};
    if (has_counted_outputs(made)) throw Skip{"there is a count before them"};
    return expect(build_coinbase(made, {}).has_value(), std::to_string(made.coinbase_tx_outputs_count) + " outputs",
                  std::to_string(made.coinbase_tx_outputs.size()) + " bytes that are not so many");
}

// A template whose coinbase is not final makes blocks that consensus refuses.
Verdict check_coinbase_final(Session& s) {
    const NewTemplate& made = s.first_template();
    const std::uint32_t lock_time = made.coinbase_tx_locktime;
    if (lock_time == 0 || made.coinbase_tx_input_sequence == 0xffffffff) return ok("it has none");
    const bool is_height = lock_time < lock_time_threshold;
    const std::uint32_t limit = is_height ? known_height(s) : s.first_prev_hash().header_timestamp;
    return measure(lock_time < limit, "less than " + std::to_string(limit), std::to_string(lock_time));
}

// What the fees are cannot be known here, but they are not negative.
Verdict check_value_remaining(Session& s) {
    const NewTemplate& made = s.first_template();
    const std::uint64_t whole_subsidy = subsidy(known_height(s), s.first_prev_hash().nbits);
    const auto own = own_outputs_value(made);
    if (!own) throw Skip{"the template's own outputs are not known"};
    const std::uint64_t value = made.coinbase_tx_value_remaining;
    const std::string got = std::to_string(value) + " satoshis";
    if (value > max_money || *own > max_money) return failed("no more than there is money", got);
    if (made.merkle_path.empty()) return measure(value + *own == whole_subsidy, std::to_string(whole_subsidy), got);
    return measure(value + *own >= whole_subsidy, "at least " + std::to_string(whole_subsidy), got);
}

// The other way round, as people read it, hardly any hash has a proof of work.
Verdict check_prev_hash(Session& s) {
    const SetNewPrevHash& tip = s.first_prev_hash();
    if (host::Hash ignored; sv2_target_from_nbits(tip.nbits, &ignored) != SV2_OK) throw Skip{"nBits is no target"};
    return measure(has_proof_of_work(tip.prev_hash, tip.nbits), "a hash with a proof of work",
                   host::rpc_hex(tip.prev_hash));
}

Verdict check_target(Session& s) {
    const SetNewPrevHash& tip = s.first_prev_hash();
    host::Hash of_nbits;
    if (sv2_target_from_nbits(tip.nbits, &of_nbits) != SV2_OK) {
        return failed("nBits that are a target", std::to_string(tip.nbits));
    }
    // As a number, not as a hash: whether the target is at most that of nBits.
    const bool not_easier = sv2_target_is_met(&of_nbits, &tip.target);
    return measure(not_easier && !host::is_zero(tip.target), "at most " + sv2::to_string(of_nbits),
                   sv2::to_string(tip.target));
}

Verdict check_header_timestamp(Session& s) {
    const std::int64_t time = s.first_prev_hash().header_timestamp;
    const auto now = static_cast<std::int64_t>(sv2::now().unix_s);
    return measure(time >= now - two_hours && time <= now + two_hours, "within two hours of " + std::to_string(now),
                   std::to_string(time));
}
