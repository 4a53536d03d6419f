#include "payees.hpp"

#include <algorithm>
#include <vector>

namespace {

// An output of the longest witness program, and of P2PKH, which alone among addresses costs signature operations.
constexpr std::uint32_t longest_user_output = 8 + 1 + 42;
constexpr std::uint16_t most_user_sigops = 4;

std::vector<sv2_payout_output> outputs_of(const std::vector<Beneficiary>& payout, std::uint32_t scale) {
    std::vector<sv2_payout_output> outputs;
    for (const Beneficiary& each : payout) outputs.push_back(sv2::payout_output(each.script_pubkey, each.parts * scale));
    return outputs;
}

}  // namespace

Reserved Payees::reserved() const {
    const auto outputs = outputs_of(settings_.payout, 1);
    const auto payout = sv2::Payout::create(outputs);
    Reserved reserved;
    if (payout) {
        if (const auto own = payout->constraints()) {
            reserved = {own->coinbase_output_max_additional_size, own->coinbase_output_max_additional_sigops};
        }
    }
    if (settings_.pay_to_user) {
        reserved.max_additional_size += longest_user_output;
        reserved.max_additional_sigops = static_cast<std::uint16_t>(reserved.max_additional_sigops + most_user_sigops);
    }
    return reserved;
}

std::string Payees::start(sv2::MiningServer& engine) {
    const sv2::Status status = name_payout(engine, pool_work_id, nullptr);
    return status.ok() ? "" : std::string{"Nobody can be paid by this payout: "} + status.message();
}

// Of a user's payment the pool's beneficiaries share `fee_parts`; all parts are multiplied so that they can be divided.
sv2::Status Payees::name_payout(sv2::MiningServer& engine, std::uint64_t work_id, const host::Bytes* user_script) const {
    std::vector<sv2_payout_output> outputs;
    if (!user_script) {
        outputs = outputs_of(settings_.payout, 1);
    } else {
        std::uint64_t pool_parts = 0;
        for (const Beneficiary& each : settings_.payout) pool_parts += each.parts;
        const std::uint64_t scale = std::max<std::uint64_t>(settings_.fee_parts, 1);
        const std::uint64_t user_parts = pool_parts * (all_parts - settings_.fee_parts);
        if (user_parts > 0) outputs.push_back(sv2::payout_output(*user_script, static_cast<std::uint32_t>(user_parts)));
        if (settings_.fee_parts > 0) {
            for (const sv2_payout_output& each : outputs_of(settings_.payout, static_cast<std::uint32_t>(scale))) {
                outputs.push_back(each);
            }
        }
    }
    const auto payout = sv2::Payout::create(outputs);
    return payout ? engine.set_payout(work_id, *payout, "", sv2::now()) : payout.status();
}

std::optional<std::uint64_t> Payees::work_of(sv2::MiningServer& engine, std::string_view user_identity, std::string& error) {
    if (!settings_.pay_to_user) return pool_work_id;
    const auto script = host::script_of_address(user_identity.substr(0, user_identity.find('.')), settings_.network, error);
    if (!script) return std::nullopt;
    if (const auto known = work_ids_.find(*script); known != work_ids_.end()) return known->second;
    const std::uint64_t work_id = next_work_id_++;
    if (const sv2::Status status = name_payout(engine, work_id, &*script); !status.ok()) {
        error = status.message();
        return std::nullopt;
    }
    work_ids_.emplace(*script, work_id);
    users_.emplace(work_id, User{*script});
    return work_id;
}

void Payees::opened(std::uint64_t work_id) {
    if (const auto user = users_.find(work_id); user != users_.end()) ++user->second.channels;
}

void Payees::closed(sv2::MiningServer& engine, std::uint64_t work_id) {
    if (const auto user = users_.find(work_id); user != users_.end() && user->second.channels > 0) --user->second.channels;
    forget_unused(engine, work_id);
}

void Payees::forget_unused(sv2::MiningServer& engine, std::uint64_t work_id) {
    const auto user = users_.find(work_id);
    if (user == users_.end() || user->second.channels > 0 || !engine.remove_work(work_id).ok()) return;
    work_ids_.erase(user->second.script_pubkey);
    users_.erase(user);
}
