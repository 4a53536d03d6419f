// A Stratum V2 template provider inside Bitcoin Core: see the header. Its threads:
//   sv2loop    has the sockets, and the engine of libsv2, which knows the protocol. Never waits for cs_main or the disk.
//   sv2node    asks interfaces::Mining: waits for tips, makes templates, looks whether the fees rose.
//   sv2submit  submits blocks, at once and one after another, and stores them afterwards.
//   sv2data    serializes the transactions that job declarators ask for.
// What the last three have for the engine they hand to sv2loop with Post(). What the engine needs it says: see Drain().

#include <node/sv2_template_provider.h>

#include <common/args.h>
#include <init.h>
#include <interfaces/mining.h>
#include <netbase.h>
#include <node/context.h>
#include <streams.h>
#include <support/cleanse.h>
#include <util/fs_helpers.h>
#include <util/log.h>
#include <util/readwritefile.h>
#include <util/strencodings.h>
#include <util/syserror.h>
#include <util/threadpool.h>
#include <util/translation.h>
#include <sv2.hpp>

namespace node {
namespace {
using interfaces::BlockTemplate;
using Key = sv2_constraint_key; //!< what a template leaves free for the coinbase
//! How often it is looked whether the fees rose, which costs a template per key, or initial block download is over.
constexpr auto CHECK_INTERVAL{5s};
//! How much the fees must have risen for clients to get a new template on the same tip.
constexpr CAmount FEE_THRESHOLD{1000};
constexpr size_t MAX_CLIENTS{100};  //!< pools and job declarators, not miners; each takes a file descriptor
constexpr int EVENTS_PER_TURN{32}; //!< then news of the node and of clients are looked at again
//! Certificates begin in the past, for clients whose clock is late, and are renewed at half time.
constexpr auto CERTIFICATE_BACKDATE{1h};
constexpr auto CERTIFICATE_VALIDITY{24h * 30};
constexpr std::array DEFAULT_PORT{8442, 18442, 38442, 18447, 48442}; //!< main, testnet3, signet, regtest, testnet4

//! A template as it was made. When it is solved the block within `source` changes, at which sv2submit alone looks.
struct Template {
    const std::unique_ptr<BlockTemplate> source;
    const CBlock block{source->getBlock()}; //!< its coinbase means nothing
    const CoinbaseTx coinbase{source->getCoinbaseTx()};
    DataStream outputs{};
    std::vector<sv2_u256> merkle_path{};
    sv2_template view{sv2::make_template()}; //!< the same in the engine's words, borrowed from the other members
    Template(std::unique_ptr<BlockTemplate> from, uint8_t kind, uint64_t handle) : source{std::move(from)}
    {
        for (const CTxOut& output : coinbase.required_outputs) outputs << output;
        for (const uint256& hash : source->getCoinbaseMerklePath()) merkle_path.push_back(sv2::u256(hash));
        view.node_handle = handle;
        view.kind = kind;
        view.version = block.nVersion;
        view.header_timestamp = block.nTime;
        view.nbits = block.nBits;
        view.prev_hash = sv2::u256(block.hashPrevBlock);
        view.coinbase_tx_version = coinbase.version;
        view.coinbase_tx_input_sequence = coinbase.sequence;
        view.coinbase_tx_locktime = coinbase.lock_time;
        view.coinbase_tx_value_remaining = coinbase.block_reward_remaining;
        view.coinbase_prefix = {coinbase.script_sig_prefix.data(), coinbase.script_sig_prefix.size()};
        view.coinbase_tx_outputs_count = coinbase.required_outputs.size();
        view.coinbase_tx_outputs = sv2::bytes(outputs);
        view.merkle_path = sv2::list(merkle_path);
    }
};
using TemplateRef = std::shared_ptr<const Template>;

template <typename T>
T Take(sv2::Result<T> result)
{
    if (!result) throw std::runtime_error(result.status().message());
    return *std::move(result);
}

//! Clients know the provider by the authority, which signs a certificate for the static key.
sv2::Result<sv2::Identity> Certify(const sv2::SecretKey& authority, const sv2::SecretKey& static_key)
{
    const auto now{std::chrono::floor<std::chrono::seconds>(SystemClock::now())};
    return sv2::Identity::issue(authority, static_key, now - CERTIFICATE_BACKDATE, now + CERTIFICATE_VALIDITY);
}

//! Writes a file beside and moves it into place, so that a crash leaves no half. The node's umask makes files private.
bool Store(const fs::path& path, std::span<const unsigned char> bytes)
{
    const fs::path temporary{path + ".new"};
    FILE* file{fsbridge::fopen(temporary, "wb")};
    const bool is_written{file && fwrite(bytes.data(), bytes.size(), 1, file) == 1 && FileCommit(file)};
    if (file) fclose(file);
    if (!is_written || !RenameOver(temporary, path)) return false;
    DirectoryCommit(path.parent_path());
    return true;
}

struct Provider {
    Provider(NodeContext& node, sv2::SecretKey authority, sv2::SecretKey static_key, sv2::TemplateProvider engine,
             std::shared_ptr<Sock> listener)
        : m_node{node}, m_authority{std::move(authority)},
          m_static_key{std::move(static_key)}, m_engine{std::move(engine)}, m_listener{std::move(listener)}
    {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) throw std::runtime_error(SysErrorString(errno));
        m_wake = std::make_shared<Sock>(pair[0]);
        m_waker = std::make_unique<Sock>(pair[1]);
        for (const auto& sock : {m_listener, m_wake}) m_events.emplace(sock, Sock::Events{Sock::RecvEvent});
        m_submitter.Start(1);
        m_serializer.Start(1);
        m_node_thread = std::thread{&util::TraceThread, "sv2node", [this] { ThreadNode(); }};
        m_loop_thread = std::thread{&util::TraceThread, "sv2loop", [this] { ThreadLoop(); }};
    }

    ~Provider()
    {
        Interrupt();
        m_loop_thread.join();
        m_node_thread.join();
        m_serializer.Stop();
        m_submitter.Stop(); // blocks in its queue are submitted
    }

    void Interrupt() EXCLUSIVE_LOCKS_REQUIRED(!m_mutex)
    {
        m_interrupted = true;
        m_mining->interrupt();
        Post([] {});
    }

private:
    bool IsEnding() const { return m_interrupted || ShutdownRequested(m_node); }
    //! Has something done by sv2loop, and ends its wait. From any thread.
    void Post(std::function<void()> action) EXCLUSIVE_LOCKS_REQUIRED(!m_mutex)
    {
        WITH_LOCK(m_mutex, m_posted.push_back(std::move(action)));
        (void)m_waker->Send("", 1, MSG_NOSIGNAL | MSG_DONTWAIT); // if it is full there is enough to wake up from
    }

    // ------------------------------------------------------------------------------------------- sv2loop: the engine
    void ThreadLoop() EXCLUSIVE_LOCKS_REQUIRED(!m_mutex)
    {
        for (bool is_more{false}; !m_interrupted;) {
            const auto now{SteadyClock::now()};
            auto wake_at{now + (is_more ? 0s : m_accept_failed ? 1s : 1h)}; // hourly for the certificate
            if (const auto deadline{m_engine.next_deadline()}) wake_at = std::clamp(*deadline, now, wake_at);
            m_events.at(m_listener).requested = m_accept_failed ? 0 : Sock::RecvEvent;
            if (!m_wake->WaitMany(std::chrono::ceil<std::chrono::milliseconds>(wake_at - now), m_events)) continue;
            if (m_events.at(m_wake).occurred) (void)m_wake->Recv(m_received.data(), m_received.size(), MSG_DONTWAIT);
            for (const auto& action : WITH_LOCK(m_mutex, return std::exchange(m_posted, {}))) action();
            if (m_events.at(m_listener).occurred || m_accept_failed) Accept();
            for (auto next{m_clients.begin()}; next != m_clients.end();) {
                const auto [id, sock]{*next++};
                const Sock::Event occurred{m_events.at(sock).occurred};
                if (occurred & Sock::SendEvent) Write(id);
                if (occurred & (Sock::RecvEvent | Sock::ErrorEvent)) Read(id);
            }
            // Also when the clock was set back: the certificate may not be valid yet.
            const auto until_renewal{m_renew_at - SystemClock::now()};
            if (until_renewal <= 0s || until_renewal > CERTIFICATE_VALIDITY / 2) {
                const auto identity{Certify(m_authority, m_static_key)};
                const bool is_renewed{identity && m_engine.set_identity(*identity).ok()};
                if (!is_renewed) LogError("sv2: the certificate could not be renewed");
                m_renew_at = SystemClock::now() + (is_renewed ? CERTIFICATE_VALIDITY / 2 : 1h);
            }
            (void)m_engine.tick(sv2::now());
            is_more = Drain();
            if (!m_engine.failed()) continue;
            LogError("sv2: the engine has failed, and nobody is served any more: %s", m_engine.error());
            Interrupt();
        }
        // A block that has arrived counts, whatever ends the loop.
        for (const auto& [id, _] : std::map{m_clients}) Read(id);
        while (const auto solution{m_engine.next_solution()}) Submit(*solution);
    }

    //! Does what the engine wants, some of it at a time. True if there may be more.
    bool Drain() EXCLUSIVE_LOCKS_REQUIRED(!m_mutex)
    {
        const sv2::overloaded handle{
            [&](const sv2::SubmitBlock& e) { Submit(e.solution); },
            [&](const sv2::WantTemplate& e) {
                WITH_LOCK(m_mutex, m_wanted[e.key] = true);
                m_mining->interrupt(); // latches: if sv2node is not waiting now, its next wait ends at once
            },
            [&](const sv2::DropTemplate& e) { WITH_LOCK(m_mutex, m_wanted.erase(e.key)); },
            [&](const sv2::TemplateExpired& e) { m_templates.erase(e.node_handle); },
            [&](const sv2::WantTransactions& e) { Serialize(e); },
            [&](const sv2::Writable& e) { Write(e.connection); },
            [&](const sv2::Close& e) { Close(e.connection, e.reason); },
            [&](const sv2::ClientReady& e) { LogInfo("sv2: client %d is set up", e.connection); },
            [&](const sv2::BlockAccepted& e) { LogInfo("sv2: block %s is the tip", sv2::to_string(e.block_hash)); },
            [&](const sv2::SolutionRefused& e) { LogInfo("sv2: client %d: refusal %d", e.connection, e.refusal); },
        };
        for (int i{0}; i < EVENTS_PER_TURN; ++i) {
            const auto event{m_engine.next_event()};
            if (!event) return false;
            std::visit(handle, *event);
        }
        return true;
    }

    // ------------------------------------------------------------------------------------------ sv2loop: the sockets
    void Accept()
    {
        sockaddr_storage address;
        socklen_t len{sizeof(address)};
        const std::shared_ptr<Sock> sock{m_listener->Accept(reinterpret_cast<sockaddr*>(&address), &len)};
        // Out of descriptors, for example: that may pass, and to try again at once would only burn a core.
        m_accept_failed = !sock && IOErrorIsPermanent(WSAGetLastError());
        if (m_accept_failed) LogError("sv2: cannot accept clients: %s", NetworkErrorString(WSAGetLastError()));
        if (!sock) return;
        const int on{1};
        (void)sock->SetSockOpt(IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        CService from;
        (void)from.SetSockAddr(reinterpret_cast<sockaddr*>(&address), len);
        const uint64_t id{m_next_client++};
        if (!m_engine.connect(id, sv2::address(from.GetAddrBytes()), sv2::now()).ok()) {
            return LogWarning("sv2: refused %s: %s", from.ToStringAddrPort(), m_engine.error());
        }
        LogInfo("sv2: client %d connected from %s", id, from.ToStringAddrPort());
        m_events.emplace(sock, Sock::Events{Sock::RecvEvent});
        m_clients.emplace(id, sock);
    }

    void Read(uint64_t id)
    {
        const auto client{m_clients.find(id)};
        if (client == m_clients.end()) return;
        const ssize_t n{client->second->Recv(m_received.data(), m_received.size(), MSG_DONTWAIT)};
        if (n > 0) {
            (void)m_engine.receive(id, std::span{m_received}.first(n), sv2::now()); // what is wrong with it is an event
        } else if (n == 0 || IOErrorIsPermanent(WSAGetLastError())) {
            const std::string reason{n == 0 ? "the client hung up" : NetworkErrorString(WSAGetLastError())};
            m_engine.disconnect(id);
            Close(id, reason);
        }
    }

    //! Writes once. If more is left, the engine says so again, after what others wait for.
    void Write(uint64_t id)
    {
        const auto client{m_clients.find(id)};
        if (client == m_clients.end()) return;
        Sock::Event& requested{m_events.at(client->second).requested};
        requested = Sock::RecvEvent;
        const sv2::Bytes out{m_engine.output(id)};
        const ssize_t n{client->second->Send(out.data(), out.size(), MSG_NOSIGNAL | MSG_DONTWAIT)};
        if (n >= 0) {
            (void)m_engine.sent(id, n, sv2::now());
        } else if (!IOErrorIsPermanent(WSAGetLastError())) {
            requested |= Sock::SendEvent;
        } // else the client may have sent a block before it went: Read() comes to it, and then to the end
    }

    void Close(uint64_t id, const std::string& reason)
    {
        const auto client{m_clients.extract(id)};
        if (!client) return;
        LogInfo("sv2: client %d closed: %s", id, reason);
        m_events.erase(client.mapped());
    }

    // ---------------------------------------------------------------------------------------------- sv2loop: the node
    void Submit(const sv2_solution& solution) EXCLUSIVE_LOCKS_REQUIRED(!m_mutex)
    {
        const sv2::Bytes bytes{sv2::view(solution.coinbase_tx)};
        const std::string hash{sv2::to_string(solution.block_hash)};
        const sv2_block_header& header{solution.header};
        // Should the node crash now, the log has what nobody else has.
        LogInfo("sv2: block %s found by client %d: version=%08x time=%d nonce=%08x coinbase=%s", hash,
                solution.connection, header.version, header.time, header.nonce, HexStr(bytes));
        const auto found{m_templates.find(solution.node_handle)};
        if (found == m_templates.end()) return LogError("sv2: block %s is lost: its template is gone", hash);
        const std::vector<unsigned char> coinbase(bytes.begin(), bytes.end());
        (void)m_submitter.Submit([this, of{found->second}, header, coinbase, hash, id{solution.block_hash}] {
            std::string reason, debug;
            try {
                SpanReader reader{coinbase};
                const auto tx{std::make_shared<const CTransaction>(deserialize, TX_WITH_WITNESS, reader)};
                of->source->submitSolution(header.version, header.time, header.nonce, tx, reason, debug);
            } catch (const std::exception& e) {
                reason = e.what();
            }
            // A block that is known, or not the best one, is taken, too.
            const bool is_taken{reason.empty() || reason == "duplicate" || reason == "inconclusive"};
            const auto result{is_taken ? SV2_SUBMIT_TAKEN : SV2_SUBMIT_REFUSED};
            LogInfo("sv2: block %s %s %s %s", hash, is_taken ? "taken" : "refused", reason, debug);
            Post([this, id, result] { (void)m_engine.submit_result(id, result, sv2::now()); });
            DataStream block;
            block << TX_WITH_WITNESS(of->source->getBlock());
            const fs::path directory{m_node.args->GetDataDirNet() / "sv2_blocks"};
            if (TryCreateDirectories(directory)) DirectoryCommit(directory.parent_path());
            if (!Store(directory / fs::u8path(hash), MakeUCharSpan(block))) LogError("sv2: cannot store %s", hash);
        });
    }

    void Serialize(const sv2::WantTransactions& wanted) EXCLUSIVE_LOCKS_REQUIRED(!m_mutex)
    {
        const auto found{m_templates.find(wanted.node_handle)};
        if (found == m_templates.end()) return (void)m_engine.transactions_ready(wanted.template_id, {}, sv2::now());
        (void)m_serializer.Submit([this, id{wanted.template_id}, of{found->second}] {
            const auto data{std::make_shared<std::vector<DataStream>>()};
            for (size_t i{1}; i < of->block.vtx.size(); ++i) data->emplace_back() << TX_WITH_WITNESS(*of->block.vtx[i]);
            Post([this, id, data] {
                std::vector<sv2_bytes> transactions;
                for (const DataStream& transaction : *data) transactions.push_back(sv2::bytes(transaction));
                (void)m_engine.transactions_ready(id, transactions, sv2::now());
            });
        });
    }

    // ------------------------------------------------------------------------------------------------------- sv2node
    void ThreadNode() EXCLUSIVE_LOCKS_REQUIRED(!m_mutex)
    {
        auto fees_checked{SteadyClock::now()};
        while (!IsEnding()) {
            const bool is_idle{m_is_ready == true && WITH_LOCK(m_mutex, return m_wanted.empty())};
            const MillisecondsDouble timeout{is_idle ? MillisecondsDouble::max() : CHECK_INTERVAL};
            const auto now{m_mining->waitTipChanged(m_tip, timeout)};
            const uint256 tip{now ? now->hash : m_tip}; // nothing is returned upon interrupt()
            if (tip.IsNull() || !FollowTip(tip)) continue;
            std::map<Key, bool> wanted;
            WITH_LOCK(m_mutex, wanted = m_wanted; for (auto& [_, is_asked] : m_wanted) is_asked = false);
            std::erase_if(m_latest, [&](const auto& item) { return !wanted.contains(item.first); });
            std::erase_if(wanted, [](const auto& item) { return !item.second; });
            // At a new tip all get something valid to work on before the mempool is looked at for any of them.
            for (const auto& [key, _] : wanted) {
                const auto before{m_latest.find(key)};
                const bool is_new_tip{before != m_latest.end() && before->second->block.hashPrevBlock != m_tip};
                if (is_new_tip) HandOver(key, SV2_TEMPLATE_PROVISIONAL);
            }
            for (const auto& [key, _] : wanted) HandOver(key, SV2_TEMPLATE_FULL);
            if (SteadyClock::now() - fees_checked < CHECK_INTERVAL) continue;
            fees_checked = SteadyClock::now();
            for (const auto& [key, latest] : std::map{m_latest}) HandOver(key, SV2_TEMPLATE_FULL, latest);
        }
    }

    //! Tells the engine of the tip. False while templates are of no use: the node has not caught up with the chain.
    bool FollowTip(const uint256& tip) EXCLUSIVE_LOCKS_REQUIRED(!m_mutex)
    {
        // With an old tip a node is in initial block download. On regtest that may end with none but our clients' blocks.
        const bool is_ready{m_node.args->GetChainType() == ChainType::REGTEST || !m_mining->isInitialBlockDownload()};
        const bool is_other_tip{std::exchange(m_tip, tip) != tip};
        if (std::exchange(m_is_ready, is_ready) == is_ready && !(is_ready && is_other_tip)) return is_ready;
        Post([this, tip, is_ready] {
            if (is_ready) (void)m_engine.tip_changed(sv2::u256(tip), sv2::now());
            (void)m_engine.node_state(is_ready ? SV2_NODE_READY : SV2_NODE_SYNCING, sv2::now());
        });
        return is_ready;
    }

    //! Gives the engine a template: a new one, or one that is better than `before`, or on another tip, if there is one.
    void HandOver(const Key& key, uint8_t kind, const TemplateRef& before = nullptr) EXCLUSIVE_LOCKS_REQUIRED(!m_mutex)
    {
        const BlockCreateOptions options{.use_mempool = kind == SV2_TEMPLATE_FULL,
                                         .block_reserved_weight = key.reserved_weight,
                                         .coinbase_output_max_additional_sigops = key.sigops};
        try {
            std::unique_ptr<BlockTemplate> source;
            if (before) source = before->source->waitNext({.timeout = 0ms, .fee_threshold = FEE_THRESHOLD});
            // Upon interrupt() nothing is returned. What the cooldown is for, FollowTip() has seen to.
            while (!source && !before && !IsEnding()) source = m_mining->createNewBlock(options, /*cooldown=*/false);
            if (!source) return;
            const auto made{std::make_shared<const Template>(std::move(source), kind, m_next_handle++)};
            if (kind == SV2_TEMPLATE_FULL) m_latest[key] = made;
            FollowTip(made->block.hashPrevBlock); // the engine must know the tip first, also one that has just come
            Post([this, key, made] {
                const auto status{m_engine.template_ready(key, made->view, sv2::now()).status()};
                if (status.ok()) m_templates.emplace(made->view.node_handle, made);
                // Otherwise nobody waits for it any more, or its tip is gone and another is asked for.
                if (status.is_error()) LogError("sv2: a template was not taken: %s", m_engine.error());
            });
        } catch (const std::exception& e) {
            LogError("sv2: no template with %d weight units free: %s", key.reserved_weight, e.what());
        }
    }

    NodeContext& m_node;
    //! An object of our own, so that interrupt() wakes nobody else.
    const std::unique_ptr<interfaces::Mining> m_mining{interfaces::MakeMining(m_node)};
    std::atomic<bool> m_interrupted{false};
    // For sv2loop alone.
    const sv2::SecretKey m_authority, m_static_key;
    sv2::TemplateProvider m_engine;
    std::shared_ptr<Sock> m_listener, m_wake;
    Sock::EventsPerSock m_events; //!< of the listener, m_wake, and all clients
    std::map<uint64_t, std::shared_ptr<Sock>> m_clients;
    uint64_t m_next_client{1};
    std::map<uint64_t, TemplateRef> m_templates; //!< that are in use, by our name for them, the handle
    std::array<uint8_t, 64 << 10> m_received;    //!< for all sockets: the engine keeps what it has not finished with
    bool m_accept_failed{false};
    SystemClock::time_point m_renew_at{SystemClock::now() + CERTIFICATE_VALIDITY / 2};
    // For sv2node alone.
    uint256 m_tip;                       //!< the newest one, by waitTipChanged() or as a template has it
    std::optional<bool> m_is_ready;      //!< what the engine was told of the node
    std::map<Key, TemplateRef> m_latest; //!< full templates
    uint64_t m_next_handle{1};
    // For all threads.
    std::unique_ptr<Sock> m_waker; //!< the other end of m_wake
    Mutex m_mutex;
    std::vector<std::function<void()>> m_posted GUARDED_BY(m_mutex);
    std::map<Key, /*is_asked=*/bool> m_wanted GUARDED_BY(m_mutex);
    ThreadPool m_submitter{"sv2submit"}, m_serializer{"sv2data"};
    std::thread m_node_thread, m_loop_thread;
};
std::unique_ptr<Provider> g_provider;

//! Reads a key, or makes one. A damaged one is never replaced: clients would not know the provider any more. Throws.
sv2::SecretKey ReadOrMakeKey(const fs::path& path)
{
    if (fs::exists(path)) {
        auto [is_read, data]{ReadBinaryFile(path, SV2_SECRET_KEY_LEN + 1)};
        if (!is_read || data.size() != SV2_SECRET_KEY_LEN) data.assign(SV2_SECRET_KEY_LEN, '\0'); // which is no key
        auto key{sv2::SecretKey::from_bytes(MakeUCharSpan(data).first<SV2_SECRET_KEY_LEN>())};
        memory_cleanse(data.data(), data.size());
        if (key) return *std::move(key);
        throw std::runtime_error(fs::PathToString(path) + " holds no key: restore it, or remove it for a new identity");
    }
    auto key{Take(sv2::SecretKey::generate())};
    if (!Store(path, key.secret_bytes())) throw std::runtime_error("cannot write " + fs::PathToString(path));
    return key;
}

//! Throws.
std::unique_ptr<Provider> MakeProvider(NodeContext& node)
{
    const ArgsManager& args{*node.args};
    auto authority{ReadOrMakeKey(args.GetDataDirNet() / "sv2_authority_key")};
    auto static_key{ReadOrMakeKey(args.GetDataDirNet() / "sv2_static_key")};
    const std::string authority_key{Take(Take(sv2::AuthorityKey::of(authority)).to_text())};
    sv2_template_provider_options options{sv2::template_provider_options()};
    options.fee_threshold_sat = FEE_THRESHOLD;
    options.max_clients = MAX_CLIENTS;
    options.log.write = [](void*, int level, const char* text, size_t len) {
        if (level <= SV2_LOG_INFO) LogInfo("sv2: %s", std::string_view(text, len));
    };
    auto engine{Take(sv2::TemplateProvider::create(Take(Certify(authority, static_key)), options))};
    const auto port{args.GetIntArg("-sv2port", DEFAULT_PORT.at(static_cast<size_t>(args.GetChainType())))};
    const auto address{Lookup(args.GetArg("-sv2bind", "127.0.0.1"), uint16_t(port), /*fAllowLookup=*/false)};
    sockaddr_storage to;
    socklen_t len{sizeof(to)};
    if (port < 1 || port > 65535 || !address || !address->GetSockAddr(reinterpret_cast<sockaddr*>(&to), &len)) {
        throw std::runtime_error("-sv2bind or -sv2port is not valid");
    }
    std::shared_ptr<Sock> listener{CreateSock(address->GetSAFamily(), SOCK_STREAM, IPPROTO_TCP)};
    const int on{1};
    if (!listener || listener->SetSockOpt(SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        listener->Bind(reinterpret_cast<sockaddr*>(&to), len) != 0 || listener->Listen(SOMAXCONN) != 0) {
        throw std::runtime_error("cannot listen on " + address->ToStringAddrPort() + ": " + SysErrorString(errno));
    }
    LogInfo("sv2: listening on %s, Template Provider authority key: %s", address->ToStringAddrPort(), authority_key);
    return std::make_unique<Provider>(node, std::move(authority), std::move(static_key), std::move(engine),
                                      std::move(listener));
}
} // namespace

void AddSv2Args(ArgsManager& argsman)
{
    const auto flags{ArgsManager::ALLOW_ANY | ArgsManager::NETWORK_ONLY};
    const auto category{OptionsCategory::BLOCK_CREATION};
    argsman.AddArg("-sv2", "Serve block templates over Stratum V2 (default: 0)", flags, category);
    argsman.AddArg("-sv2bind=<addr>", "Address for Stratum V2 (default: 127.0.0.1)", flags, category);
    const auto ports{"8442, testnet3: 18442, testnet4: 48442, signet: 38442, regtest: 18447"};
    argsman.AddArg("-sv2port=<port>", strprintf("Port for Stratum V2 (default: %s)", ports), flags, category);
}

util::Result<void> StartSv2TemplateProvider(NodeContext& node)
{
    try {
        if (node.args->GetBoolArg("-sv2", false)) g_provider = MakeProvider(node);
        return {};
    } catch (const std::exception& e) {
        return util::Error{Untranslated(strprintf("Stratum V2: %s", e.what()))};
    }
}

void InterruptSv2TemplateProvider() { if (g_provider) g_provider->Interrupt(); }
void StopSv2TemplateProvider() { g_provider.reset(); }
} // namespace node
