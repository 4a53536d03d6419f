// libsv2 for C++20, the mining proxy: part of sv2.hpp, which includes it.

#ifndef SV2_MINING_PROXY_HPP
#define SV2_MINING_PROXY_HPP

#include "sv2.hpp"

namespace sv2 {

/// Options of a proxy, with everything as usual; sv2.h says what they are. Upstreams and downstream are set by MiningProxy.
[[nodiscard]] inline sv2_mining_proxy_options mining_proxy_options() noexcept { return SV2_MINING_PROXY_OPTIONS_INIT; }

/// A mining server that a proxy can take its work from, which must have a certificate of this authority. It borrows from all three.
[[nodiscard]] inline sv2_mining_upstream mining_upstream(const AuthorityKey& authority SV2_LIFETIMEBOUND, std::string_view host,
                                                         std::uint16_t port, std::string_view user_identity) noexcept {
    sv2_mining_upstream upstream = SV2_MINING_UPSTREAM_INIT;
    upstream.authority_key = authority.key.bytes.data();
    upstream.host = str(host);
    upstream.port = port;
    upstream.user_identity = str(user_identity);
    return upstream;
}
sv2_mining_upstream mining_upstream(const AuthorityKey&&, std::string_view, std::uint16_t, std::string_view) = delete;

/// One without encryption, for a network in which everybody is trusted.
[[nodiscard]] inline sv2_mining_upstream plaintext_mining_upstream(std::string_view host, std::uint16_t port,
                                                                   std::string_view user_identity) noexcept {
    sv2_mining_upstream upstream = SV2_MINING_UPSTREAM_INIT;
    upstream.plaintext = 1;
    upstream.host = str(host);
    upstream.port = port;
    upstream.user_identity = str(user_identity);
    return upstream;
}

/// Takes work from one mining server at a time and gives it to any number of miners; sv2_mining_proxy in sv2.h says how it is used.
class MiningProxy : public Handle<sv2_mining_proxy, sv2_mining_proxy_free> {
public:
    // Events have the fields of their structs in sv2.h. What these point to lives until the next event is taken.

    /// A hash meets the network's target.
    struct BlockFound : sv2_proxy_block {};

    /// Connect a socket to this server, then `upstream_connected` or `upstream_disconnected`.
    struct ConnectUpstream {
        std::size_t upstream;
        std::string_view host;
        std::uint16_t port;
    };

    /// There is `upstream_output`.
    struct UpstreamWritable {};

    /// Close the upstream's socket.
    struct CloseUpstream {
        std::size_t upstream;
        const char* reason;
        bool may_retry;
    };

    /// The upstream has accepted the connection.
    struct UpstreamReady {
        std::size_t upstream;
    };

    /// There is no upstream any more, and the next one is sought.
    struct UpstreamLost {
        std::size_t upstream;
    };

    /// The upstream acknowledges shares.
    struct UpstreamAccepted : sv2_upstream_accepted {};

    /// The upstream refuses a share, or it could not be sent to it.
    struct UpstreamRejected : sv2_upstream_rejected {};

    /// A miner has a channel.
    struct ChannelOpened : sv2_proxy_channel_opened {};

    /// A channel is over.
    struct ChannelClosed : sv2_proxy_channel {};

    /// Aggregation: a share is good.
    struct ShareAccepted : sv2_proxy_share {};

    /// A share was refused here.
    struct ShareRejected : sv2_proxy_share_rejected {};

    /// Something the host must do, or may want to know.
    using Event = std::variant<BlockFound, ConnectUpstream, UpstreamWritable, CloseUpstream, UpstreamReady, UpstreamLost,
                               UpstreamAccepted, UpstreamRejected, Writable, Close, ChannelOpened, ChannelClosed,
                               ShareAccepted, ShareRejected>;

    /// A proxy between these upstreams, the preferred one first, and miners. `downstream` has the identity that they are shown, or
    /// `plaintext`. All is copied.
    [[nodiscard]] static Result<MiningProxy> create(std::span<const sv2_mining_upstream> upstreams,
                                                    const sv2_mining_server_options& downstream,
                                                    sv2_mining_proxy_options options = mining_proxy_options()) noexcept {
        options.upstreams = upstreams.data();
        options.upstream_count = upstreams.size();
        options.downstream = &downstream;
        return make<MiningProxy>([&](sv2_mining_proxy** out) { return sv2_mining_proxy_new(&options, out); });
    }

    explicit MiningProxy(sv2_mining_proxy* owned) noexcept : Handle{owned} {}

    /// Shows another identity to miners that connect from now on.
    Status set_identity(const Identity& identity) & noexcept { return sv2_mining_proxy_set_identity(get(), identity.get()); }

    // Miners' sockets.

    /// A miner connected, from `address` if it is to be counted; SV2_ERROR_TOO_MANY if there are too many.
    Status connect(std::uint64_t connection, const std::optional<sv2_address>& address, sv2_time now) & noexcept {
        return sv2_mining_proxy_connect(get(), connection, address ? &*address : nullptr, now);
    }

    /// Bytes came from a miner. They are decrypted where they are, and mean nothing afterwards.
    Status receive(std::uint64_t connection, std::span<std::uint8_t> bytes, sv2_time now) & noexcept {
        return sv2_mining_proxy_receive(get(), connection, bytes.data(), bytes.size(), now);
    }

    /// A miner's socket is closed.
    void disconnect(std::uint64_t connection, sv2_time now) & noexcept { sv2_mining_proxy_disconnect(get(), connection, now); }

    /// Bytes to write to a miner, valid until the proxy's next call; empty if there are none.
    [[nodiscard]] Bytes output(std::uint64_t connection) & noexcept SV2_LIFETIMEBOUND {
        return view(sv2_mining_proxy_output(get(), connection));
    }

    /// The first `n` bytes of `output` were written.
    Status sent(std::uint64_t connection, std::size_t n, sv2_time now) & noexcept {
        return sv2_mining_proxy_sent(get(), connection, n, now);
    }

    /// Tells all miners to connect elsewhere; an empty host and port 0 stand for where they are.
    Status reconnect_miners(std::string_view host, std::uint16_t port, sv2_time now) & noexcept {
        return sv2_mining_proxy_reconnect_miners(get(), str(host), port, now);
    }

    // Upstream's socket.

    /// The socket that ConnectUpstream asked for is connected.
    Status upstream_connected(sv2_time now) & noexcept { return sv2_mining_proxy_upstream_connected(get(), now); }

    /// It is closed, or could not be connected.
    void upstream_disconnected(sv2_time now) & noexcept { sv2_mining_proxy_upstream_disconnected(get(), now); }

    /// Bytes came from the upstream. They are decrypted where they are, and mean nothing afterwards.
    Status upstream_receive(std::span<std::uint8_t> bytes, sv2_time now) & noexcept {
        return sv2_mining_proxy_upstream_receive(get(), bytes.data(), bytes.size(), now);
    }

    /// Bytes to write to the upstream, valid until the proxy's next call; empty if there are none.
    [[nodiscard]] Bytes upstream_output() & noexcept SV2_LIFETIMEBOUND { return view(sv2_mining_proxy_upstream_output(get())); }

    /// The first `n` bytes of `upstream_output` were written.
    Status upstream_sent(std::size_t n, sv2_time now) & noexcept { return sv2_mining_proxy_upstream_sent(get(), n, now); }

    // Time.

    /// It is `now`.
    Status tick(sv2_time now) & noexcept { return sv2_mining_proxy_tick(get(), now); }

    /// When `tick` must be called, if the times given were those of `now()` or `to_time`; none if there is no need.
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> next_deadline() const noexcept {
        return to_deadline(sv2_mining_proxy_next_deadline(get()));
    }

    // Events.

    /// What must be done next; nothing if there is nothing, or if the proxy is unusable: `failed` tells.
    [[nodiscard]] std::optional<Event> next_event() & noexcept SV2_LIFETIMEBOUND {
        sv2_mining_proxy_event event;
        while ((last_ = sv2_mining_proxy_next_event(get(), &event)) == SV2_OK) {
            switch (event.type) {
                case SV2_MINING_PROXY_EVENT_BLOCK_FOUND:
                    return BlockFound{event.as.block_found};
                case SV2_MINING_PROXY_EVENT_CONNECT_UPSTREAM: {
                    const sv2_proxy_connect& to = event.as.connect_upstream;
                    return ConnectUpstream{to.upstream, text(to.host), to.port};
                }
                case SV2_MINING_PROXY_EVENT_UPSTREAM_WRITABLE:
                    return UpstreamWritable{};
                case SV2_MINING_PROXY_EVENT_CLOSE_UPSTREAM: {
                    const sv2_proxy_close_upstream& close = event.as.close_upstream;
                    return CloseUpstream{close.upstream, close.reason, close.may_retry != 0};
                }
                case SV2_MINING_PROXY_EVENT_UPSTREAM_READY:
                    return UpstreamReady{event.as.upstream};
                case SV2_MINING_PROXY_EVENT_UPSTREAM_LOST:
                    return UpstreamLost{event.as.upstream};
                case SV2_MINING_PROXY_EVENT_UPSTREAM_ACCEPTED:
                    return UpstreamAccepted{event.as.upstream_accepted};
                case SV2_MINING_PROXY_EVENT_UPSTREAM_REJECTED:
                    return UpstreamRejected{event.as.upstream_rejected};
                case SV2_MINING_PROXY_EVENT_WRITABLE:
                    return Writable{event.as.writable};
                case SV2_MINING_PROXY_EVENT_CLOSE:
                    return Close{event.as.close.connection, event.as.close.reason};
                case SV2_MINING_PROXY_EVENT_CHANNEL_OPENED:
                    return ChannelOpened{event.as.channel_opened};
                case SV2_MINING_PROXY_EVENT_CHANNEL_CLOSED:
                    return ChannelClosed{event.as.channel_closed};
                case SV2_MINING_PROXY_EVENT_SHARE_ACCEPTED:
                    return ShareAccepted{event.as.share_accepted};
                case SV2_MINING_PROXY_EVENT_SHARE_REJECTED:
                    return ShareRejected{event.as.share_rejected};
                default:
                    break;  // of a later version: nothing this header knows how to do
            }
        }
        return std::nullopt;
    }

    /// Whether the last `next_event` gave nothing because the proxy has become unusable.
    [[nodiscard]] bool failed() const noexcept { return last_.is_error(); }

    // State.

    /// The upstream in use, as its place among those given; none while no server has accepted the connection.
    [[nodiscard]] std::optional<std::size_t> upstream() const noexcept {
        const std::size_t upstream = sv2_mining_proxy_upstream(get());
        return upstream == SIZE_MAX ? std::nullopt : std::optional{upstream};
    }

    /// What has happened so far.
    [[nodiscard]] sv2_mining_proxy_totals totals() const noexcept {
        sv2_mining_proxy_totals totals{};
        (void)sv2_mining_proxy_get_totals(get(), &totals);
        return totals;
    }

    /// What went wrong in the last call that failed, in a sentence; valid until the next call that fails.
    [[nodiscard]] const char* error() & noexcept SV2_LIFETIMEBOUND { return sv2_mining_proxy_error(get()); }

private:
    Status last_;
};

}  // namespace sv2

#endif  // SV2_MINING_PROXY_HPP
