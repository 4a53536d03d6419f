// libsv2 for C++20, the mining client: part of sv2.hpp, which includes it.

#ifndef SV2_MINING_CLIENT_HPP
#define SV2_MINING_CLIENT_HPP

#include "sv2.hpp"

namespace sv2 {

// ------------------------------------------------------------------------------------------------------- mining client

/// Options of a mining client, with everything as usual; sv2.h says what they are. Whom it trusts is set by MiningClient.
[[nodiscard]] inline sv2_mining_client_options mining_client_options() noexcept { return SV2_MINING_CLIENT_OPTIONS_INIT; }

/// Mines for one server: opens channels, follows their jobs, and submits shares; sv2_mining_client in sv2.h says how it is
/// used.
class MiningClient : public Handle<sv2_mining_client, sv2_mining_client_free> {
public:
    // Events have the fields of their structs in sv2.h. What these point to lives until the client's next call that is no
    // question about its state.

    /// The server has accepted the connection: channels can be opened.
    struct Ready : sv2_mining_client_ready {};

    /// The server has said which extensions it supports: `is_negotiated` tells.
    struct Extensions {};

    /// A channel is open, and work for it follows.
    struct ChannelOpened : sv2_mining_client_channel_opened {};

    /// A channel was refused.
    struct OpenRefused : sv2_mining_client_open_refused {};

    /// A job came that waits for its tip.
    struct FutureJob {
        std::uint32_t channel_id;
        std::uint32_t job_id;
    };

    /// Mine on this job at once. If it is clean, all work on other jobs is stale.
    struct NewJob {
        std::uint32_t channel_id;
        std::uint32_t job_id;
        bool clean;
    };

    /// A new best block, and nothing to mine on until a job comes.
    struct TipWithoutJob {
        std::uint32_t channel_id;
    };

    /// The target of jobs to come is another.
    struct TargetChanged {
        std::uint32_t channel_id;
    };

    /// The extranonce_prefix of jobs to come is another.
    struct PrefixChanged {
        std::uint32_t channel_id;
    };

    /// Shares are acknowledged.
    struct SharesAccepted : sv2_mining_client_shares_accepted {};

    /// A share is refused.
    struct ShareRejected : sv2_mining_client_share_rejected {};

    /// An UpdateChannel is refused.
    struct UpdateRefused : sv2_mining_client_update_refused {};

    /// The server has closed a channel.
    struct ChannelClosed : sv2_mining_client_channel_closed {};

    /// A custom job is accepted: shares of it can be submitted.
    struct CustomJobAccepted : sv2_mining_client_custom_job {};

    /// A custom job is refused.
    struct CustomJobRefused : sv2_mining_client_custom_job {};

    /// The server wants to be left for another one of the same authority.
    struct Reconnect : sv2_mining_client_reconnect {};

    /// The endpoint of a channel is another.
    struct ChannelEndpointChanged {
        std::uint32_t channel_id;
    };

    /// A message of an extension that the library does not know.
    struct ExtensionMessage : sv2_mining_client_extension_message {};

    /// There is `output`.
    struct Writable {};

    /// Close the socket.
    struct Close {
        const char* reason;
        bool may_retry;
    };

    /// Something the host must do, or may want to know.
    using Event =
        std::variant<Ready, Extensions, ChannelOpened, OpenRefused, FutureJob, NewJob, TipWithoutJob, TargetChanged,
                     PrefixChanged, SharesAccepted, ShareRejected, UpdateRefused, ChannelClosed, CustomJobAccepted,
                     CustomJobRefused, Reconnect, ChannelEndpointChanged, ExtensionMessage, Writable, Close>;

    /// A client that talks to a server of this authority only.
    [[nodiscard]] static Result<MiningClient> create(
        const AuthorityKey& authority, sv2_mining_client_options options = mining_client_options()) noexcept {
        options.authority_key = authority.key.bytes.data();
        return make<MiningClient>([&](sv2_mining_client** out) { return sv2_mining_client_new(&options, out); });
    }

    /// A client that encrypts, and takes any server that answers: who that is cannot be known then.
    [[nodiscard]] static Result<MiningClient> unauthenticated(
        sv2_mining_client_options options = mining_client_options()) noexcept {
        options.authority_key = nullptr;
        options.allow_unauthenticated = 1;
        return make<MiningClient>([&](sv2_mining_client** out) { return sv2_mining_client_new(&options, out); });
    }

    /// A client without encryption, for a network in which everybody is trusted.
    [[nodiscard]] static Result<MiningClient> plaintext(
        sv2_mining_client_options options = mining_client_options()) noexcept {
        options.authority_key = nullptr;
        options.plaintext = 1;
        return make<MiningClient>([&](sv2_mining_client** out) { return sv2_mining_client_new(&options, out); });
    }

    explicit MiningClient(sv2_mining_client* owned) noexcept : Handle{owned} {}

    // The socket.

    /// It is connected to the server.
    Status connect(sv2_time now) & noexcept { return sv2_mining_client_connect(get(), now); }

    /// Memory to read into; empty if events have to be taken first. Valid until the client's next call.
    [[nodiscard]] std::span<std::uint8_t> room() & noexcept SV2_LIFETIMEBOUND {
        const sv2_room room = sv2_mining_client_room(get());
        return {room.data, room.len};
    }

    /// So many bytes were read into `room`.
    Status received(std::size_t n, sv2_time now) & noexcept { return sv2_mining_client_received(get(), n, now); }

    /// Bytes came, into memory of the host. They are copied.
    Status receive(Bytes bytes, sv2_time now) & noexcept {
        return sv2_mining_client_receive(get(), bytes.data(), bytes.size(), now);
    }

    /// It is closed, or could not be connected.
    void disconnected(sv2_time now) & noexcept { sv2_mining_client_disconnected(get(), now); }

    /// Bytes to write, valid until the client's next call; empty if there are none.
    [[nodiscard]] Bytes output() & noexcept SV2_LIFETIMEBOUND { return view(sv2_mining_client_output(get())); }

    /// The first `n` bytes of `output` were written.
    Status sent(std::size_t n, sv2_time now) & noexcept { return sv2_mining_client_sent(get(), n, now); }

    // Channels.

    /// Asks for a standard channel; gives the request_id of the answer. The hash rate is in hashes a second.
    [[nodiscard]] Result<std::uint32_t> open_standard(std::string_view user_identity, float nominal_hash_rate,
                                                      const sv2_u256& max_target, sv2_time now) & noexcept {
        std::uint32_t request_id = 0;
        const Status status = sv2_mining_client_open_standard(get(), str(user_identity), nominal_hash_rate, &max_target,
                                                              now, &request_id);
        return status.ok() ? Result{request_id} : status;
    }

    /// Asks for an extended channel, with at least so many bytes of extranonce.
    [[nodiscard]] Result<std::uint32_t> open_extended(std::string_view user_identity, float nominal_hash_rate,
                                                      const sv2_u256& max_target, std::uint16_t min_extranonce_size,
                                                      sv2_time now) & noexcept {
        std::uint32_t request_id = 0;
        const Status status = sv2_mining_client_open_extended(get(), str(user_identity), nominal_hash_rate, &max_target,
                                                              min_extranonce_size, now, &request_id);
        return status.ok() ? Result{request_id} : status;
    }

    /// Tells the server another hash rate and greatest target.
    Status update_channel(std::uint32_t channel_id, float nominal_hash_rate, const sv2_u256& max_target,
                          sv2_time now) & noexcept {
        return sv2_mining_client_update_channel(get(), channel_id, nominal_hash_rate, &max_target, now);
    }

    /// Closes a channel.
    Status close_channel(std::uint32_t channel_id, std::string_view reason_code, sv2_time now) & noexcept {
        return sv2_mining_client_close_channel(get(), channel_id, str(reason_code), now);
    }

    // Work.

    /// A hash meets the target of its job; gives the sequence_number of the share.
    [[nodiscard]] Result<std::uint32_t> submit(std::uint32_t channel_id, const sv2_mining_client_share& share,
                                               sv2_time now) & noexcept {
        std::uint32_t sequence_number = 0;
        const Status status = sv2_mining_client_submit(get(), channel_id, &share, now, &sequence_number);
        return status.ok() ? Result{sequence_number} : status;
    }

    /// Asks to be rewarded for work on a job of the client's own; gives the request_id of the answer.
    [[nodiscard]] Result<std::uint32_t> set_custom_job(const sv2_set_custom_mining_job& job, sv2_time now) & noexcept {
        std::uint32_t request_id = 0;
        const Status status = sv2_mining_client_set_custom_job(get(), &job, now, &request_id);
        return status.ok() ? Result{request_id} : status;
    }

    /// Sends a message of an extension that is negotiated.
    Status send_extension_message(std::uint16_t extension_type, std::uint8_t message_type, bool channel_msg,
                                  Bytes payload, sv2_time now) & noexcept {
        return sv2_mining_client_send_extension_message(get(), extension_type, message_type, channel_msg ? 1 : 0,
                                                        bytes(payload), now);
    }

    // Time.

    /// It is `now`.
    Status tick(sv2_time now) & noexcept { return sv2_mining_client_tick(get(), now); }

    /// When `tick` must be called, if the times given were those of `now()` or `to_time`; none if there is no need.
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> next_deadline() const noexcept {
        return to_deadline(sv2_mining_client_next_deadline(get()));
    }

    // Events.

    /// What must be done next; nothing if there is nothing, or if the client is unusable: `failed` tells.
    [[nodiscard]] std::optional<Event> next_event() & noexcept SV2_LIFETIMEBOUND {
        sv2_mining_client_event event;
        while ((last_ = sv2_mining_client_next_event(get(), &event)) == SV2_OK) {
            if (auto known = event_of(event)) {
                return known;
            }
        }
        return std::nullopt;
    }

    /// Whether the last `next_event` gave nothing because the client has become unusable.
    [[nodiscard]] bool failed() const noexcept { return last_.is_error(); }

    // Channels and jobs. What they point to is valid until the next call that is told the time, or `next_event`.

    /// A channel of the present connection, or, until the next one, of that before.
    [[nodiscard]] Result<sv2_client_channel> channel(std::uint32_t channel_id) & noexcept SV2_LIFETIMEBOUND {
        sv2_client_channel found;
        const Status status = sv2_mining_client_channel(get(), channel_id, &found);
        return status.ok() ? Result{found} : status;
    }

    /// The channel_ids of all of them.
    [[nodiscard]] std::vector<std::uint32_t> channels() const {
        std::size_t count = 0;
        (void)sv2_mining_client_channels(get(), nullptr, 0, &count);
        std::vector<std::uint32_t> found(count);
        (void)sv2_mining_client_channels(get(), found.data(), found.size(), &count);
        return found;
    }

    /// A job of a channel.
    [[nodiscard]] Result<sv2_client_job> job(std::uint32_t channel_id,
                                                    std::uint32_t job_id) & noexcept SV2_LIFETIMEBOUND {
        sv2_client_job found;
        const Status status = sv2_mining_client_job(get(), channel_id, job_id, &found);
        return status.ok() ? Result{found} : status;
    }

    /// The header to hash, for an extranonce of extranonce_size bytes: none on a standard channel.
    [[nodiscard]] Result<sv2_block_header> header(std::uint32_t channel_id, std::uint32_t job_id,
                                                  Bytes extranonce = {}) const noexcept {
        sv2_block_header made;
        const Status status = sv2_mining_client_header(get(), channel_id, job_id, bytes(extranonce), &made);
        return status.ok() ? Result{made} : status;
    }

    /// The message that a job of an extended channel came in.
    [[nodiscard]] Result<sv2_new_extended_mining_job> extended_job(std::uint32_t channel_id,
                                                                   std::uint32_t job_id) & noexcept SV2_LIFETIMEBOUND {
        sv2_new_extended_mining_job found;
        const Status status = sv2_mining_client_extended_job(get(), channel_id, job_id, &found);
        return status.ok() ? Result{found} : status;
    }

    /// The shares that the server has not answered, oldest first, as far as they are remembered.
    [[nodiscard]] std::vector<sv2_unanswered_share> unanswered(std::uint32_t channel_id) const {
        std::size_t count = 0;
        (void)sv2_mining_client_unanswered(get(), channel_id, nullptr, 0, &count);
        std::vector<sv2_unanswered_share> found(count);
        (void)sv2_mining_client_unanswered(get(), channel_id, found.data(), found.size(), &count);
        return found;
    }

    // State.

    /// There is a connection, set up or not.
    [[nodiscard]] bool is_connected() const noexcept { return sv2_mining_client_is_connected(get()); }

    /// The server has accepted the connection.
    [[nodiscard]] bool is_ready() const noexcept { return sv2_mining_client_is_ready(get()); }

    /// The server proved to be who it should be.
    [[nodiscard]] bool is_authenticated() const noexcept { return sv2_mining_client_is_authenticated(get()); }

    /// The server supports an extension that it was asked for.
    [[nodiscard]] bool is_negotiated(std::uint16_t extension_type) const noexcept {
        return sv2_mining_client_is_negotiated(get(), extension_type);
    }

    /// When bytes last came; none if they never did.
    [[nodiscard]] std::optional<sv2_time> last_heard() const noexcept {
        sv2_time heard;
        const Status status = sv2_mining_client_last_heard(get(), &heard);
        return status.ok() ? std::optional{heard} : std::nullopt;
    }

    /// What went wrong in the last call that failed, in a sentence; valid until the next call that fails.
    [[nodiscard]] const char* error() & noexcept SV2_LIFETIMEBOUND { return sv2_mining_client_error(get()); }

private:
    /// Nothing if it is of a later version: nothing this header knows how to do.
    [[nodiscard]] static std::optional<Event> event_of(const sv2_mining_client_event& event) noexcept {
        switch (event.type) {
            case SV2_MINING_CLIENT_EVENT_READY:
                return Ready{event.as.ready};
            case SV2_MINING_CLIENT_EVENT_EXTENSIONS:
                return Extensions{};
            case SV2_MINING_CLIENT_EVENT_CHANNEL_OPENED:
                return ChannelOpened{event.as.channel_opened};
            case SV2_MINING_CLIENT_EVENT_OPEN_REFUSED:
                return OpenRefused{event.as.open_refused};
            case SV2_MINING_CLIENT_EVENT_FUTURE_JOB:
                return FutureJob{event.as.job.channel_id, event.as.job.job_id};
            case SV2_MINING_CLIENT_EVENT_NEW_JOB:
                return NewJob{event.as.job.channel_id, event.as.job.job_id, event.as.job.clean != 0};
            case SV2_MINING_CLIENT_EVENT_TIP_WITHOUT_JOB:
                return TipWithoutJob{event.as.channel_id};
            case SV2_MINING_CLIENT_EVENT_TARGET_CHANGED:
                return TargetChanged{event.as.channel_id};
            case SV2_MINING_CLIENT_EVENT_PREFIX_CHANGED:
                return PrefixChanged{event.as.channel_id};
            case SV2_MINING_CLIENT_EVENT_SHARES_ACCEPTED:
                return SharesAccepted{event.as.shares_accepted};
            case SV2_MINING_CLIENT_EVENT_SHARE_REJECTED:
                return ShareRejected{event.as.share_rejected};
            case SV2_MINING_CLIENT_EVENT_UPDATE_REFUSED:
                return UpdateRefused{event.as.update_refused};
            case SV2_MINING_CLIENT_EVENT_CHANNEL_CLOSED:
                return ChannelClosed{event.as.channel_closed};
            case SV2_MINING_CLIENT_EVENT_CUSTOM_JOB_ACCEPTED:
                return CustomJobAccepted{event.as.custom_job};
            case SV2_MINING_CLIENT_EVENT_CUSTOM_JOB_REFUSED:
                return CustomJobRefused{event.as.custom_job};
            case SV2_MINING_CLIENT_EVENT_RECONNECT:
                return Reconnect{event.as.reconnect};
            case SV2_MINING_CLIENT_EVENT_CHANNEL_ENDPOINT_CHANGED:
                return ChannelEndpointChanged{event.as.channel_id};
            case SV2_MINING_CLIENT_EVENT_EXTENSION_MESSAGE:
                return ExtensionMessage{event.as.extension_message};
            case SV2_MINING_CLIENT_EVENT_WRITABLE:
                return Writable{};
            case SV2_MINING_CLIENT_EVENT_CLOSE:
                return Close{event.as.close.reason, event.as.close.may_retry != 0};
            default:
                return std::nullopt;
        }
    }

    Status last_;
};

/// Looks for a nonce with the processor: the first of `count` nonces from `first` on. SV2_NOT_FOUND if there is none.
[[nodiscard]] inline Result<std::uint32_t> search(const sv2_block_header& header, const sv2_u256& target,
                                                  std::uint32_t first, std::uint32_t count) noexcept {
    std::uint32_t nonce = 0;
    const Status status = sv2_block_header_search(&header, &target, first, count, &nonce);
    return status.ok() ? Result{nonce} : status;
}

}  // namespace sv2

#endif  // SV2_MINING_CLIENT_HPP
