// libsv2 for C++20, jobs and the server's side of channels: part of sv2.hpp, which includes it.

#ifndef SV2_MINING_CHANNEL_HPP
#define SV2_MINING_CHANNEL_HPP

#include "sv2.hpp"

namespace sv2 {

// ---------------------------------------------------------------------------------------------------------------- jobs

/// An extended job, which never changes; all channels that are paid alike share one.
class ExtendedJob : public Handle<sv2_extended_job, sv2_extended_job_free> {
public:
    /// The job of a server upstream, for full extranonces of so many bytes.
    [[nodiscard]] static Result<ExtendedJob> upstream(const sv2_new_extended_mining_job& message,
                                                      std::size_t extranonce_len) noexcept {
        return make<ExtendedJob>(
            [&](sv2_extended_job** out) { return sv2_extended_job_upstream(&message, extranonce_len, out); });
    }
    explicit ExtendedJob(sv2_extended_job* owned) noexcept : Handle{owned} {}

    /// The message that gives it to an extended or a group channel; without `min_ntime` as a future job.
    [[nodiscard]] Result<sv2_new_extended_mining_job> message(
        std::uint32_t channel_id, std::uint32_t job_id,
        const std::optional<std::uint32_t>& min_ntime) const& noexcept SV2_LIFETIMEBOUND {
        sv2_option_u32 option{};
        if (min_ntime) option = {1, *min_ntime};
        sv2_new_extended_mining_job message;
        const Status status = sv2_extended_job_message(get(), channel_id, job_id, option, &message);
        return status.ok() ? Result{message} : status;
    }
    void message(std::uint32_t, std::uint32_t, const std::optional<std::uint32_t>&) const&& = delete;

    /// The merkle root for a full extranonce.
    [[nodiscard]] Result<sv2_u256> merkle_root(Bytes extranonce_prefix, Bytes extranonce = {}) const noexcept {
        sv2_u256 root;
        const Status status = sv2_extended_job_merkle_root(get(), bytes(extranonce_prefix), bytes(extranonce), &root);
        return status.ok() ? Result{root} : status;
    }

    /// Where it comes from.
    [[nodiscard]] Result<sv2_job_source> source() const& noexcept SV2_LIFETIMEBOUND {
        sv2_job_source source;
        const Status status = sv2_extended_job_source(get(), &source);
        return status.ok() ? Result{source} : status;
    }
    void source() const&& = delete;

    /// Length of its full extranonce, in bytes.
    [[nodiscard]] std::size_t extranonce_len() const noexcept { return sv2_extended_job_extranonce_len(get()); }
};

/// The coinbase of a job, as it stands in a block; of ExtendedJob::get() or of a verdict's `job`.
[[nodiscard]] inline Result<std::vector<std::uint8_t>> coinbase(const sv2_extended_job* job, Bytes extranonce_prefix,
                                                                Bytes extranonce = {}) {
    std::size_t len = 0;
    Status status = sv2_extended_job_coinbase(job, bytes(extranonce_prefix), bytes(extranonce), nullptr, 0, &len);
    if (status.is_error()) return status;
    std::vector<std::uint8_t> made(len);
    status =
        sv2_extended_job_coinbase(job, bytes(extranonce_prefix), bytes(extranonce), made.data(), made.size(), &len);
    return status.ok() ? Result{std::move(made)} : status;
}

/// Makes jobs; sv2_job_factory in sv2.h says of what.
class JobFactory : public Handle<sv2_job_factory, sv2_job_factory_free> {
public:
    /// For full extranonces of so many bytes, 1 to 32.
    [[nodiscard]] static Result<JobFactory> create(std::string_view pool_tag, std::string_view miner_tag,
                                                   std::size_t extranonce_len,
                                                   bool version_rolling_allowed = true) noexcept {
        return make<JobFactory>([&](sv2_job_factory** out) {
            return sv2_job_factory_new(str(pool_tag), str(miner_tag), extranonce_len, version_rolling_allowed, out);
        });
    }
    explicit JobFactory(sv2_job_factory* owned) noexcept : Handle{owned} {}

    /// A job of a template. Two of the same one with different salts have nothing in common.
    [[nodiscard]] Result<ExtendedJob> job(const sv2_new_template& from, const Payout& payout,
                                          std::uint32_t salt = 0) const noexcept {
        sv2_extended_job* job = nullptr;
        const Status status = sv2_job_factory_job(get(), &from, payout.get(), salt, &job);
        return status.ok() ? Result{ExtendedJob{job}} : status;
    }

    /// The job that a miner describes.
    [[nodiscard]] Result<ExtendedJob> custom(const sv2_set_custom_mining_job& message) const noexcept {
        sv2_extended_job* job = nullptr;
        const Status status = sv2_job_factory_custom(get(), &message, &job);
        return status.ok() ? Result{ExtendedJob{job}} : status;
    }
};

/// What jobs are mined on. `target` is that of the template provider, where it is known.
[[nodiscard]] inline Result<sv2_mining_tip> mining_tip(const sv2_u256& prev_hash, std::uint32_t nbits,
                                                       std::uint32_t min_ntime, std::uint64_t received_at,
                                                       const std::optional<sv2_u256>& target = std::nullopt) noexcept {
    sv2_mining_tip tip;
    const Status status =
        sv2_mining_tip_init(&prev_hash, nbits, min_ntime, target ? &*target : nullptr, received_at, &tip);
    return status.ok() ? Result{tip} : status;
}

// ------------------------------------------------------------------------------------------- server's side of channels

/// Options of a channel, with everything as usual; set all down to `max_target`.
[[nodiscard]] inline sv2_server_channel_options server_channel_options() noexcept {
    return SV2_SERVER_CHANNEL_OPTIONS_INIT;
}

/// What a message submits. It borrows the extranonce.
[[nodiscard]] inline sv2_submission submission(const sv2_submit_shares_extended& message) noexcept {
    return {message.sequence_number,
            message.job_id,
            {message.nonce, message.ntime, message.version, message.extranonce},
            0,
            {}};
}
[[nodiscard]] inline sv2_submission submission(const sv2_submit_shares_standard& message) noexcept {
    return {message.sequence_number, message.job_id, {message.nonce, message.ntime, message.version, {}}, 0, {}};
}

/// One channel of a server that keeps connections and messages itself; sv2_server_channel in sv2.h says how it is used.
class ServerChannel : public Handle<sv2_server_channel, sv2_server_channel_free> {
public:
    /// A channel without jobs. What the options point to is copied.
    [[nodiscard]] static Result<ServerChannel> create(const sv2_server_channel_options& options) noexcept {
        return make<ServerChannel>([&](sv2_server_channel** out) { return sv2_server_channel_new(&options, out); });
    }
    explicit ServerChannel(sv2_server_channel* owned) noexcept : Handle{owned} {}

    /// What is to be known of it.
    [[nodiscard]] Result<sv2_server_channel_info> info() const& noexcept SV2_LIFETIMEBOUND {
        return ask<sv2_server_channel_info>(sv2_server_channel_get_info);
    }
    void info() const&& = delete;

    /// The tip of its jobs; SV2_NOT_FOUND if it was given none.
    [[nodiscard]] Result<sv2_mining_tip> tip() const noexcept { return ask<sv2_mining_tip>(sv2_server_channel_tip); }

    // Changes.

    /// UpdateChannel came.
    Status update(float nominal_hash_rate, const sv2_u256& max_target) & noexcept {
        return sv2_server_channel_update(get(), nominal_hash_rate, &max_target);
    }

    /// Another target for jobs to come. True if it is another one than before: then SetTarget must be sent.
    [[nodiscard]] Result<bool> set_target(const sv2_u256& target) & noexcept {
        std::uint8_t changed = 0;
        const Status status = sv2_server_channel_set_target(get(), &target, &changed);
        return status.ok() ? Result{changed != 0} : status;
    }

    /// Another extranonce_prefix for jobs to come.
    Status set_extranonce_prefix(Bytes extranonce_prefix) & noexcept {
        return sv2_server_channel_set_extranonce_prefix(get(), bytes(extranonce_prefix));
    }

    // Jobs. `merkle_root`, if given, becomes what NewMiningJob tells a standard channel.

    /// A job that waits for a tip.
    Status add_future_job(std::uint32_t job_id, const ExtendedJob& job, sv2_u256* merkle_root = nullptr) & noexcept {
        return sv2_server_channel_add_future_job(get(), job_id, job.get(), merkle_root);
    }

    /// A job does not wait any more.
    Status remove_future_job(std::uint32_t job_id) & noexcept {
        return sv2_server_channel_remove_future_job(get(), job_id);
    }

    /// A job on the present tip: the one to work on.
    Status add_job(std::uint32_t job_id, const ExtendedJob& job, std::uint32_t min_ntime,
                   sv2_u256* merkle_root = nullptr) & noexcept {
        return sv2_server_channel_add_job(get(), job_id, job.get(), min_ntime, merkle_root);
    }

    /// A custom job on the present tip. Gives its number, which is that of an earlier job if it is the same.
    [[nodiscard]] Result<std::uint32_t> add_custom_job(std::uint32_t job_id, const ExtendedJob& job,
                                                       std::uint32_t min_ntime) & noexcept {
        std::uint32_t accepted = 0;
        const Status status = sv2_server_channel_add_custom_job(get(), job_id, job.get(), min_ntime, &accepted);
        return status.ok() ? Result{accepted} : status;
    }

    /// A new tip, and the job that waited for it; SV2_NOT_FOUND if none did: then there is nothing to work on.
    Status activate(std::uint32_t job_id, const sv2_mining_tip& tip) & noexcept {
        return sv2_server_channel_activate(get(), job_id, &tip);
    }

    /// A new tip without a job that waited for it.
    Status set_tip(const sv2_mining_tip& tip) & noexcept { return sv2_server_channel_set_tip(get(), &tip); }

    /// The numbers of the jobs that shares count for, the last one first; and of those that wait, the oldest first.
    [[nodiscard]] Result<std::vector<std::uint32_t>> live_jobs() const { return numbers(sv2_server_channel_live_jobs); }
    [[nodiscard]] Result<std::vector<std::uint32_t>> future_jobs() const {
        return numbers(sv2_server_channel_future_jobs);
    }

    /// A job of the channel, shared; SV2_NOT_FOUND if there is none of that number.
    [[nodiscard]] Result<ExtendedJob> job(std::uint32_t job_id) const noexcept {
        sv2_extended_job* job = nullptr;
        const Status status = sv2_server_channel_job(get(), job_id, &job);
        return status.ok() ? Result{ExtendedJob{job}} : status;
    }

    // Shares.

    /// Judges a share, and keeps the account of it. What the verdict points to lives until the next share.
    [[nodiscard]] Result<sv2_submission_verdict> submit(const sv2_submission& of,
                                                        sv2_time now) & noexcept SV2_LIFETIMEBOUND {
        sv2_submission_verdict verdict;
        const Status status = sv2_server_channel_submit(get(), &of, now, &verdict);
        return status.ok() ? Result{verdict} : status;
    }

    /// The block on the tip before, if that is what a stale share is.
    [[nodiscard]] std::optional<sv2_submission_verdict> late_block(const sv2_submission& of,
                                                                   sv2_time now) & noexcept SV2_LIFETIMEBOUND {
        sv2_submission_verdict verdict;
        const Status status = sv2_server_channel_late_block(get(), &of, now, &verdict);
        return status.ok() ? std::optional{verdict} : std::nullopt;
    }

    /// The acknowledgement that is to be sent now, if any.
    [[nodiscard]] std::optional<sv2_submit_shares_success> due(sv2_time now) & noexcept {
        sv2_submit_shares_success message;
        const Status status = sv2_server_channel_due(get(), now, &message);
        return status.ok() ? std::optional{message} : std::nullopt;
    }

    /// What is not acknowledged yet, if anything: after a block, and before the channel closes.
    [[nodiscard]] std::optional<sv2_submit_shares_success> flush() & noexcept {
        sv2_submit_shares_success message;
        const Status status = sv2_server_channel_flush(get(), &message);
        return status.ok() ? std::optional{message} : std::nullopt;
    }

    /// When `due` is to be asked again, if the times given were those of `now()` or `to_time`; none if nothing waits.
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> deadline() const noexcept {
        return to_deadline(sv2_server_channel_deadline(get()));
    }

    /// The sums since the channel was opened.
    [[nodiscard]] Result<sv2_share_totals> totals() const noexcept {
        return ask<sv2_share_totals>(sv2_server_channel_get_totals);
    }

private:
    template <class T>
    [[nodiscard]] Result<T> ask(sv2_status (*question)(sv2_server_channel*, T*)) const noexcept {
        T answer;
        const Status status = question(get(), &answer);
        return status.ok() ? Result{answer} : status;
    }

    [[nodiscard]] Result<std::vector<std::uint32_t>> numbers(sv2_status (*list)(sv2_server_channel*, std::uint32_t*,
                                                                                std::size_t, std::size_t*)) const {
        std::size_t count = 0;
        Status status = list(get(), nullptr, 0, &count);
        if (status.is_error()) return status;
        std::vector<std::uint32_t> found(count);
        status = list(get(), found.data(), found.size(), &count);
        return status.ok() ? Result{std::move(found)} : status;
    }
};

/// The channels of one connection that mine the same; sv2_group_channel in sv2.h says more.
class GroupChannel : public Handle<sv2_group_channel, sv2_group_channel_free> {
public:
    /// A group without channels, for full extranonces of so many bytes.
    [[nodiscard]] static Result<GroupChannel> create(std::uint32_t group_channel_id,
                                                     std::size_t full_extranonce_len) noexcept {
        return make<GroupChannel>(
            [&](sv2_group_channel** out) { return sv2_group_channel_new(group_channel_id, full_extranonce_len, out); });
    }
    explicit GroupChannel(sv2_group_channel* owned) noexcept : Handle{owned} {}

    /// Its number, and the length of its full extranonces in bytes.
    [[nodiscard]] std::uint32_t id() const noexcept { return sv2_group_channel_id(get()); }
    [[nodiscard]] std::size_t full_extranonce_len() const noexcept {
        return sv2_group_channel_full_extranonce_len(get());
    }

    /// All channels get full extranonces of another length with the jobs to come.
    Status set_full_extranonce_len(std::size_t len) & noexcept {
        return sv2_group_channel_set_full_extranonce_len(get(), len);
    }

    /// Takes a channel in; SV2_ERROR_ARGUMENT if its full extranonce has another length, SV2_ERROR_STATE if it is
    /// there.
    Status add(std::uint32_t channel_id, std::size_t full_extranonce_len) & noexcept {
        return sv2_group_channel_add(get(), channel_id, full_extranonce_len);
    }

    /// Takes a channel out; SV2_NOT_FOUND if it is not there.
    Status remove(std::uint32_t channel_id) & noexcept { return sv2_group_channel_remove(get(), channel_id); }

    /// Its channels, in order; valid until one is added or removed.
    [[nodiscard]] std::span<const std::uint32_t> members() const& noexcept SV2_LIFETIMEBOUND {
        const sv2_u32_list list = sv2_group_channel_members(get());
        return {list.items, list.count};
    }
    void members() const&& = delete;
};

}  // namespace sv2

#endif  // SV2_MINING_CHANNEL_HPP
