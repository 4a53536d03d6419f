// libsv2 for C++20, the Mining Protocol: part of sv2.hpp, which includes it.

#ifndef SV2_MINING_HPP
#define SV2_MINING_HPP

#include "sv2.hpp"

namespace sv2 {

// ------------------------------------------------------------------------------------------------------------- payouts

/// One output of a payout: to whom, and how many parts of the sum of all parts.
template <class R>
requires borrowed_array<R, std::uint8_t>
[[nodiscard]] constexpr sv2_payout_output payout_output(R&& script_pubkey SV2_LIFETIMEBOUND, std::uint32_t parts) noexcept {
    return {bytes(std::forward<R>(script_pubkey)), parts};
}

/// Who is paid by a block.
class Payout : public Handle<sv2_payout, sv2_payout_free> {
public:
    /// Outputs in the order in which they will stand in the coinbase. The scripts are copied.
    [[nodiscard]] static Result<Payout> create(std::span<const sv2_payout_output> outputs) noexcept {
        return make<Payout>([&](sv2_payout** out) { return sv2_payout_new(outputs.data(), outputs.size(), out); });
    }

    /// Everything to one script.
    [[nodiscard]] static Result<Payout> single(Bytes script_pubkey) noexcept {
        const sv2_payout_output output = payout_output(script_pubkey, 1);
        return create({&output, 1});
    }

    explicit Payout(sv2_payout* owned) noexcept : Handle{owned} {}

    /// The output at place `index` when `value` satoshis are paid; SV2_NOT_FOUND if there are not so many.
    [[nodiscard]] Result<sv2_transaction_output> output(std::uint64_t value, std::size_t index) const& noexcept SV2_LIFETIMEBOUND {
        sv2_transaction_output output;
        const Status status = sv2_payout_output_at(get(), value, index, &output);
        return status.ok() ? Result{output} : status;
    }
    void output(std::uint64_t value, std::size_t index) const&& = delete;

    /// What templates must leave free for it.
    [[nodiscard]] Result<sv2_coinbase_output_constraints> constraints() const noexcept {
        sv2_coinbase_output_constraints constraints;
        const Status status = sv2_payout_constraints(get(), &constraints);
        return status.ok() ? Result{constraints} : status;
    }
};

// ------------------------------------------------------------------------------------------------------- mining server

/// Options of a mining server, with everything as usual; sv2.h says what they are. `identity` is set by MiningServer.
[[nodiscard]] inline sv2_mining_server_options mining_server_options() noexcept { return SV2_MINING_SERVER_OPTIONS_INIT; }

/// Gives work to any number of miners and takes what they find; sv2_mining_server in sv2.h says how it is used.
class MiningServer : public Handle<sv2_mining_server, sv2_mining_server_free> {
public:
    // Events have the fields of their structs in sv2.h. What these point to lives until the next event is taken.

    /// A block was found: submit it before anything else.
    struct BlockFound : sv2_found_block {};

    /// A client is set up.
    struct Connected : sv2_mining_client_info {};

    /// A client wants a channel: `accept_channel` or `refuse_channel`, now or later.
    struct OpenChannel : sv2_open_channel {};

    /// A channel is open.
    struct ChannelOpened : sv2_channel_opened {};

    /// A channel has another hash rate or target.
    struct ChannelUpdated : sv2_channel_updated {};

    /// A channel is closed.
    struct ChannelClosed : sv2_channel_closed {};

    /// A share counts.
    struct ShareAccepted : sv2_accepted_share {};

    /// A share does not count.
    struct ShareRejected : sv2_rejected_share {};

    /// A client wants to mine its own work: `accept_custom_job` or `refuse_custom_job`, now or later.
    struct SetCustomMiningJob : sv2_custom_job_request {};

    /// A message of an extension that the server does not know, for a channel.
    struct ExtensionMessage : sv2_extension_message {};

    /// Something the host must do, or may want to know.
    using Event = std::variant<BlockFound, Writable, Close, Connected, OpenChannel, ChannelOpened, ChannelUpdated,
                               ChannelClosed, ShareAccepted, ShareRejected, SetCustomMiningJob, ExtensionMessage>;

    /// A server that encrypts and shows `identity`, which need not outlive this call.
    [[nodiscard]] static Result<MiningServer> create(const Identity& identity,
                                                     sv2_mining_server_options options = mining_server_options()) noexcept {
        options.identity = identity.get();
        return make<MiningServer>([&](sv2_mining_server** out) { return sv2_mining_server_new(&options, out); });
    }

    /// A server without encryption, for a network in which everybody is trusted.
    [[nodiscard]] static Result<MiningServer> plaintext(
        sv2_mining_server_options options = mining_server_options()) noexcept {
        options.identity = nullptr;
        options.plaintext = 1;
        return make<MiningServer>([&](sv2_mining_server** out) { return sv2_mining_server_new(&options, out); });
    }

    explicit MiningServer(sv2_mining_server* owned) noexcept : Handle{owned} {}

    /// Shows another identity to clients that connect from now on.
    Status set_identity(const Identity& identity) & noexcept { return sv2_mining_server_set_identity(get(), identity.get()); }

    // Sockets.

    /// Somebody connected, from `address` if it is to be counted; SV2_ERROR_TOO_MANY if there are too many clients.
    Status connect(std::uint64_t connection, const std::optional<sv2_address>& address, sv2_time now) & noexcept {
        return sv2_mining_server_connect(get(), connection, address ? &*address : nullptr, now);
    }

    /// Bytes came. They are decrypted where they are, and mean nothing afterwards.
    Status receive(std::uint64_t connection, std::span<std::uint8_t> bytes, sv2_time now) & noexcept {
        return sv2_mining_server_receive(get(), connection, bytes.data(), bytes.size(), now);
    }

    /// The socket is closed.
    void disconnect(std::uint64_t connection) & noexcept { sv2_mining_server_disconnect(get(), connection); }

    /// Bytes to write, valid until the server's next call; empty if there are none.
    [[nodiscard]] Bytes output(std::uint64_t connection) & noexcept SV2_LIFETIMEBOUND {
        return view(sv2_mining_server_output(get(), connection));
    }

    /// The first `n` bytes of `output` were written.
    Status sent(std::uint64_t connection, std::size_t n, sv2_time now) & noexcept {
        return sv2_mining_server_sent(get(), connection, n, now);
    }

    /// Closes a connection once it was sent what waits for it.
    Status close(std::uint64_t connection, sv2_time now) & noexcept { return sv2_mining_server_close(get(), connection, now); }

    // Work.

    /// Names a payout of the templates, or changes it. `miner_tag` is the second name in the coinbase, after the pool's.
    Status set_payout(std::uint64_t work_id, const Payout& payout, std::string_view miner_tag, sv2_time now) & noexcept {
        return sv2_mining_server_set_payout(get(), work_id, payout.get(), str(miner_tag), now);
    }

    /// Forgets a payout, or an upstream channel; SV2_ERROR_STATE if channels mine it.
    Status remove_work(std::uint64_t work_id) & noexcept { return sv2_mining_server_remove_work(get(), work_id); }

    /// A template came. What it points to is copied.
    Status new_template(const sv2_new_template& of, sv2_time now) & noexcept {
        return sv2_mining_server_new_template(get(), &of, now);
    }

    /// There is a new tip.
    Status set_new_prev_hash(const sv2_set_new_prev_hash_template& tip, sv2_time now) & noexcept {
        return sv2_mining_server_set_new_prev_hash(get(), &tip, now);
    }

    // Work from a server upstream.

    /// Names an upstream channel, whose work channels are to mine, or replaces it; sv2.h says how its extranonces are divided.
    Status set_upstream(std::uint64_t work_id, Bytes extranonce_prefix, std::size_t extranonce_size, std::size_t rollable_len,
                        sv2_time now) & noexcept {
        return sv2_mining_server_set_upstream(get(), work_id, bytes(extranonce_prefix), extranonce_size, rollable_len, now);
    }

    /// The upstream channel has another prefix from its next job on.
    Status set_upstream_prefix(std::uint64_t work_id, Bytes extranonce_prefix, sv2_time now) & noexcept {
        return sv2_mining_server_set_upstream_prefix(get(), work_id, bytes(extranonce_prefix), now);
    }

    /// No target of a channel that mines this work is harder than this from now on: the target of the upstream channel.
    Status set_hardest_target(std::uint64_t work_id, const sv2_u256& hardest, sv2_time now) & noexcept {
        return sv2_mining_server_set_hardest_target(get(), work_id, &hardest, now);
    }

    /// A job came from above. What it points to is copied.
    Status new_upstream_job(std::uint64_t work_id, const sv2_new_extended_mining_job& job, sv2_time now) & noexcept {
        return sv2_mining_server_new_upstream_job(get(), work_id, &job, now);
    }

    /// There is a new tip above.
    Status set_upstream_prev_hash(std::uint64_t work_id, const sv2_set_new_prev_hash& tip, sv2_time now) & noexcept {
        return sv2_mining_server_set_upstream_prev_hash(get(), work_id, &tip, now);
    }

    // Channels.

    /// Opens a channel to mine this work, and gives its number. With `target` it keeps that until `set_target`.
    [[nodiscard]] Result<std::uint32_t> accept_channel(std::uint64_t connection, std::uint32_t request_id, std::uint64_t work_id,
                                                       sv2_time now,
                                                       const std::optional<sv2_u256>& target = std::nullopt) & noexcept {
        std::uint32_t channel_id = 0;
        const Status status = sv2_mining_server_accept_channel(get(), connection, request_id, work_id,
                                                               target ? &*target : nullptr, now, &channel_id);
        return status.ok() ? Result{channel_id} : status;
    }

    /// Refuses a channel, with an error code such as "unknown-user".
    Status refuse_channel(std::uint64_t connection, std::uint32_t request_id, std::string_view error_code,
                          sv2_time now) & noexcept {
        return sv2_mining_server_refuse_channel(get(), connection, request_id, str(error_code), now);
    }

    /// Gives a channel another target, which the host decides from now on.
    Status set_target(std::uint64_t connection, std::uint32_t channel_id, const sv2_u256& target, sv2_time now) & noexcept {
        return sv2_mining_server_set_target(get(), connection, channel_id, &target, now);
    }

    /// Gives a channel another extranonce_prefix, from the next job on.
    Status renew_extranonce_prefix(std::uint64_t connection, std::uint32_t channel_id, sv2_time now) & noexcept {
        return sv2_mining_server_renew_extranonce_prefix(get(), connection, channel_id, now);
    }

    /// Closes a channel.
    Status close_channel(std::uint64_t connection, std::uint32_t channel_id, std::string_view reason_code,
                         sv2_time now) & noexcept {
        return sv2_mining_server_close_channel(get(), connection, channel_id, str(reason_code), now);
    }

    /// Accepts a custom job, and gives its job_id.
    [[nodiscard]] Result<std::uint32_t> accept_custom_job(std::uint64_t connection, std::uint32_t request_id,
                                                          sv2_time now) & noexcept {
        std::uint32_t job_id = 0;
        const Status status = sv2_mining_server_accept_custom_job(get(), connection, request_id, now, &job_id);
        return status.ok() ? Result{job_id} : status;
    }

    /// Refuses a custom job, with an error code such as "invalid-mining-job-token".
    Status refuse_custom_job(std::uint64_t connection, std::uint32_t request_id, std::string_view error_code,
                             sv2_time now) & noexcept {
        return sv2_mining_server_refuse_custom_job(get(), connection, request_id, str(error_code), now);
    }

    // Clients.

    /// Tells all clients to connect elsewhere; an empty host, or port 0, is the present one.
    Status reconnect(std::string_view new_host, std::uint16_t new_port, sv2_time now) & noexcept {
        return sv2_mining_server_reconnect(get(), str(new_host), new_port, now);
    }

    /// Sends a client a message of an extension for one of its channels; `payload` begins with the channel_id.
    Status send_extension_message(std::uint64_t connection, std::uint16_t extension_type, std::uint8_t message_type,
                                  Bytes payload) & noexcept {
        return sv2_mining_server_send_extension_message(get(), connection, extension_type, message_type, bytes(payload));
    }

    // Time.

    /// It is `now`.
    Status tick(sv2_time now) & noexcept { return sv2_mining_server_tick(get(), now); }

    /// When `tick` must be called, if the times given were those of `now()` or `to_time`; none if there is no need.
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> next_deadline() const noexcept {
        return to_deadline(sv2_mining_server_next_deadline(get()));
    }

    // Events.

    /// What must be done next; nothing if there is nothing, or if the server is unusable: `failed` tells.
    [[nodiscard]] std::optional<Event> next_event() & noexcept SV2_LIFETIMEBOUND {
        sv2_mining_server_event event;
        while ((last_ = sv2_mining_server_next_event(get(), &event)) == SV2_OK) {
            switch (event.type) {
                case SV2_MINING_SERVER_EVENT_BLOCK_FOUND:
                    return BlockFound{event.as.block_found};
                case SV2_MINING_SERVER_EVENT_WRITABLE:
                    return Writable{event.as.writable};
                case SV2_MINING_SERVER_EVENT_CLOSE:
                    return Close{event.as.close.connection, event.as.close.reason};
                case SV2_MINING_SERVER_EVENT_CONNECTED:
                    return Connected{event.as.connected};
                case SV2_MINING_SERVER_EVENT_OPEN_CHANNEL:
                    return OpenChannel{event.as.open_channel};
                case SV2_MINING_SERVER_EVENT_CHANNEL_OPENED:
                    return ChannelOpened{event.as.channel_opened};
                case SV2_MINING_SERVER_EVENT_CHANNEL_UPDATED:
                    return ChannelUpdated{event.as.channel_updated};
                case SV2_MINING_SERVER_EVENT_CHANNEL_CLOSED:
                    return ChannelClosed{event.as.channel_closed};
                case SV2_MINING_SERVER_EVENT_SHARE_ACCEPTED:
                    return ShareAccepted{event.as.share_accepted};
                case SV2_MINING_SERVER_EVENT_SHARE_REJECTED:
                    return ShareRejected{event.as.share_rejected};
                case SV2_MINING_SERVER_EVENT_SET_CUSTOM_MINING_JOB:
                    return SetCustomMiningJob{event.as.set_custom_mining_job};
                case SV2_MINING_SERVER_EVENT_EXTENSION_MESSAGE:
                    return ExtensionMessage{event.as.extension_message};
                default:
                    break;  // of a later version: nothing this header knows how to do
            }
        }
        return std::nullopt;
    }

    /// Whether the last `next_event` gave nothing because the server has become unusable.
    [[nodiscard]] bool failed() const noexcept { return last_.is_error(); }

    /// The next block that was found, also after the server has become unusable. It lives until the next call of this
    /// function.
    [[nodiscard]] std::optional<sv2_found_block> next_block() & noexcept SV2_LIFETIMEBOUND {
        sv2_found_block block;
        const Status status = sv2_mining_server_next_block(get(), &block);
        return status.ok() ? std::optional{block} : std::nullopt;
    }

    // State.

    /// How many clients are connected.
    [[nodiscard]] std::size_t clients() const noexcept { return sv2_mining_server_clients(get()); }

    /// How many channels are open.
    [[nodiscard]] std::size_t channels() const noexcept { return sv2_mining_server_channels(get()); }

    /// What went wrong in the last call that failed, in a sentence; valid until the next call that fails.
    [[nodiscard]] const char* error() & noexcept SV2_LIFETIMEBOUND { return sv2_mining_server_error(get()); }

private:
    Status last_;
};

}  // namespace sv2

#endif  // SV2_MINING_HPP
