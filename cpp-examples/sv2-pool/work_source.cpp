#include "work_source.hpp"

#include <algorithm>
#include <utility>

#include "host/log.hpp"

using std::chrono::steady_clock;

// One of the template providers.
struct WorkSource::Provider {
    using Loop = host::EngineLoop<sv2::TemplateClient>;
    using Socket = host::EngineClient<sv2::TemplateClient>;

    Provider(asio::io_context& context, sv2::TemplateClient made, Loop::Hooks hooks, host::EngineClientOptions options)
        : name(options.addresses.front().text()), client(std::move(made)), loop(context, client, std::move(hooks)),
          socket(context, client, [this] { loop.drain(); }, std::move(options)) {}

    const std::string name;
    sv2::TemplateClient client;
    Loop loop;
    Socket socket;
    // Our names for its templates, the last one last: one that is followed again is new to the pool.
    std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> ours;
    std::uint32_t height = 0;  // of the block that it is mined for

    void learn_height(std::uint64_t template_id);
};

namespace {

sv2::Result<sv2::TemplateClient> client_of(const host::ServerAddress& provider, bool plaintext, Reserved reserved) {
    sv2_template_client_options options = sv2::template_client_options();
    options.has_constraints = 1;
    options.coinbase_output_max_additional_size = reserved.max_additional_size;
    options.coinbase_output_max_additional_sigops = reserved.max_additional_sigops;
    options.endpoint_host = sv2::str(provider.at.host);
    options.endpoint_port = provider.at.port;
    options.vendor = sv2::str("libsv2");
    options.firmware = sv2::str("sv2-pool " SV2_VERSION);
    options.log.write = host::log_of_engine;
    return plaintext ? sv2::TemplateClient::plaintext(options)
                     : sv2::TemplateClient::create(*provider.authority, options);
}

// The height that a coinbase begins with (BIP 34); 0 if it does not.
std::uint32_t height_of(sv2::Bytes coinbase_prefix) {
    if (coinbase_prefix.empty()) return 0;
    const std::uint8_t op = coinbase_prefix.front();
    if (op > 0x50 && op <= 0x60) return op - 0x50U;
    if (op > 4 || coinbase_prefix.size() <= op) return 0;
    std::uint32_t height = 0;
    for (std::size_t i = op; i > 0; --i) height = height << 8 | coinbase_prefix[i];
    return height;
}

}  // namespace

void WorkSource::Provider::learn_height(std::uint64_t template_id) {
    if (const auto of = client.get_template(template_id)) height = height_of(sv2::view(of->coinbase_prefix));
}

std::unique_ptr<WorkSource> WorkSource::create(asio::io_context& context,
                                               const std::vector<host::ServerAddress>& providers, bool plaintext,
                                               Reserved reserved, Events events, std::string& error) {
    std::unique_ptr<WorkSource> source{new WorkSource{context, std::move(events)}};
    for (const host::ServerAddress& address : providers) {
        auto client = client_of(address, plaintext, reserved);
        if (!client) {
            error = "Cannot use the template provider at " + address.at.text() + ": " + client.status().message();
            return nullptr;
        }
        const std::size_t at = source->providers_.size();
        source->providers_.push_back(std::make_unique<Provider>(
            context, *std::move(client),
            Provider::Loop::Hooks{
                .handle = [of = source.get(), at](const sv2::TemplateClient::Event& event) { of->handle(at, event); },
                .failed = [of = source.get()] {
                    of->events_.failed("A template client has failed: this is an error in the library. Please report it.");
                },
                .drained = [of = source.get()] { of->follow_another(); },
            },
            host::EngineClientOptions{
                .addresses = {address.at},
                .server = "the template provider",
                .longest_pause = std::chrono::seconds{10},
                .on_failure = [of = source.get()](const std::string& why) { of->last_failure_ = why; },
            }));
    }
    return source;
}

WorkSource::WorkSource(asio::io_context& context, Events events) : events_(std::move(events)), watch_(context) {}

WorkSource::~WorkSource() = default;

void WorkSource::start() {
    for (const auto& provider : providers_) provider->socket.start();
    watch_heights();
}

bool WorkSource::is_serving(std::size_t at) const { return providers_[at]->client.is_serving(); }

std::optional<std::string> WorkSource::followed() const {
    if (!followed_ || !is_serving(*followed_)) return std::nullopt;
    return providers_[*followed_]->name;
}

std::size_t WorkSource::pending_solutions() const {
    std::size_t pending = 0;
    for (const auto& provider : providers_) pending += provider->client.pending_solutions();
    return pending;
}

bool WorkSource::submit(const sv2_submit_solution& solution) {
    const auto origin = origins_.find(solution.template_id);
    if (origin == origins_.end()) return false;
    Provider& provider = *providers_[origin->second.provider];
    sv2_submit_solution theirs = solution;
    theirs.template_id = origin->second.template_id;
    const auto sent = provider.client.submit_solution(theirs, sv2::now());
    if (!sent) {
        host::log_error("a block was not taken for " + provider.name + ": " + provider.client.error());
    } else if (!*sent) {
        host::log_warning("a block waits for " + provider.name + " to be connected again");
    }
    // Written in this turn: nothing goes before a block.
    provider.loop.drain();
    return sent.ok();
}

// -------------------------------------------------------------------------------------------------------- what providers say

void WorkSource::handle(std::size_t at, const sv2::TemplateClient::Event& event) {
    Provider& provider = *providers_[at];
    std::visit(
        sv2::overloaded{
            [&](const sv2::TemplateClient::Ready&) {
                host::log_info("connected to the template provider at " + provider.name);
                provider.socket.works();
            },
            [&](const sv2::TemplateClient::NewTemplate& e) {
                if (!e.future) provider.learn_height(e.template_id);
                if (followed_ == at) (void)hand_over(at, e.template_id, e.future);
            },
            [&](const sv2::TemplateClient::NewTip& e) { tip_came(at, e.tip); },
            [](const sv2::TemplateClient::TipWithoutTemplate&) {},  // the template follows, and is the one to mine on
            [&](const sv2::TemplateClient::TemplateExpired& e) {
                const auto ours = provider.ours.find(e.template_id);
                if (ours == provider.ours.end()) return;
                for (const std::uint64_t name : ours->second) origins_.erase(name);
                provider.ours.erase(ours);
            },
            [](const sv2::TemplateClient::TransactionData&) {},
            [](const sv2::TemplateClient::TransactionDataError&) {},
            [&](const sv2::TemplateClient::SolutionLost& e) {
                host::log_error(std::string{"a block was not seen accepted by "} + provider.name +
                                (e.may_have_arrived ? ", which may have got it" : ", which never got it") +
                                "; header and coinbase are in sv2_solutions");
            },
            [&](const sv2::TemplateClient::Writable&) { provider.socket.write(); },
            [&](const sv2::TemplateClient::Close& e) {
                last_failure_ = "the template provider at " + provider.name + ": " + e.reason;
                provider.socket.close(e.reason, e.may_retry);
            },
        },
        event);
}

void WorkSource::tip_came(std::size_t at, const sv2_set_new_prev_hash_template& tip) {
    providers_[at]->learn_height(tip.template_id);
    if (followed_ != at) {
        // One that is preferred is followed from here on: all jobs change now anyhow. Not while it is behind, as it is when it
        // catches up after a time away: that would be mining on a block that is not the last one.
        if (followed_ && at < *followed_ && providers_[at]->height >= providers_[*followed_]->height) follow(at);
        return;
    }
    const auto& names = providers_[at]->ours;
    const auto known = names.find(tip.template_id);
    const auto ours = known != names.end() ? std::optional{known->second.back()} : hand_over(at, tip.template_id, true);
    if (!ours) return;
    sv2_set_new_prev_hash_template renamed = tip;
    renamed.template_id = *ours;
    events_.new_tip(renamed);
}

// Gives a template to the pool and says its name there.
std::optional<std::uint64_t> WorkSource::hand_over(std::size_t at, std::uint64_t template_id, bool as_future) {
    Provider& provider = *providers_[at];
    auto of = provider.client.get_template(template_id);
    if (!of) return std::nullopt;
    const std::uint64_t ours = next_template_id_++;
    provider.ours[template_id].push_back(ours);
    origins_.emplace(ours, Origin{at, template_id});
    of->template_id = ours;
    of->future_template = as_future;
    events_.new_template(*of);
    return ours;
}

// ----------------------------------------------------------------------------------------------------------- who is followed

// The pool gets the provider's newest template and its tip. Templates that were followed before can still be solved.
void WorkSource::follow(std::size_t at) {
    Provider& provider = *providers_[at];
    const auto active = provider.client.active_template();
    if (!active) return;
    auto tip = provider.client.tip(*active);
    if (!tip) return;
    if (followed_) host::log_warning("work comes from the template provider at " + provider.name + " from now on");
    followed_ = at;
    // As a future template with its tip, whatever it was when it came: the engine's tip may be another one.
    const auto ours = hand_over(at, *active, true);
    if (!ours) return;
    tip->template_id = *ours;
    events_.new_tip(*tip);
}

// When the one that is followed has no work any more, or never was one: who has the latest block, and of these the first.
void WorkSource::follow_another() {
    if (followed_ && is_serving(*followed_)) return;
    std::optional<std::size_t> best;
    for (std::size_t at = 0; at < providers_.size(); ++at) {
        if (!is_serving(at) || followed_ == at) continue;
        if (!best || providers_[at]->height > providers_[*best]->height) best = at;
    }
    if (best) follow(*best);
}

// A provider that has been on an old block for some time, while another one has the next, is left.
void WorkSource::watch_heights() {
    if (providers_.size() < 2) return;
    constexpr std::chrono::seconds between_looks{10};
    watch_.expires_after(between_looks);
    watch_.async_wait([this](asio::error_code error) {
        if (error) return;
        const std::uint32_t height = followed_ ? providers_[*followed_]->height : 0;
        std::optional<std::size_t> ahead;
        for (std::size_t at = providers_.size(); at-- > 0;) {
            if (is_serving(at) && providers_[at]->height > height) ahead = at;
        }
        // Seen at two looks in a row: the news may just be on its way.
        if (ahead && was_behind_ && followed_) {
            host::log_warning("the template provider at " + providers_[*followed_]->name + " is behind: its work is for height " +
                              std::to_string(height));
            follow(*ahead);
        }
        was_behind_ = ahead.has_value();
        watch_heights();
    });
}
