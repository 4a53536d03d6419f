#include "tips.hpp"

#include <stdexcept>
#include <utility>
#include <variant>

namespace {

template <class T>
T must(sv2::Result<T> result) {
    if (!result) throw std::runtime_error(result.status().message());
    return *std::move(result);
}

std::unique_ptr<host::RegtestChain> open_chain(const std::string& directory) {
    std::string error;
    auto chain = host::RegtestChain::open(directory, error);
    if (!chain) throw std::runtime_error(error);
    return chain;
}

}  // namespace

sv2::TemplateProvider TipMaker::make_provider(const sv2::SecretKey& authority) {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto static_key = must(sv2::SecretKey::generate());
    const auto certificate = must(sv2::sign_certificate(authority, must(static_key.public_key()), now - std::chrono::hours{1},
                                                        now + std::chrono::hours{24}));
    return must(sv2::TemplateProvider::create(must(sv2::Identity::create(static_key, certificate))));
}

TipMaker::TipMaker(asio::io_context& context, const std::string& directory, std::size_t transactions)
    : transactions_(transactions), chain_(open_chain(directory)), authority_(must(sv2::SecretKey::generate())),
      engine_(make_provider(authority_)),
      loop_(context, engine_,
            {.handle = [this](const sv2::TemplateEvent& event) { handle(event); },
             .failed = [] { throw std::runtime_error("the template provider has failed"); }}),
      sockets_(context, engine_, [this] { loop_.drain(); }, {.exempt = {}, .client = "provider's client"}) {
    chain_->add_transactions(transactions_);
    if (const std::string error = sockets_.listen({"127.0.0.1", 0}); !error.empty()) throw std::runtime_error(error);
    address_ = {{"127.0.0.1", sockets_.port()}, must(sv2::AuthorityKey::of(authority_))};
    sockets_.start();
}

void TipMaker::handle(const sv2::TemplateEvent& event) {
    std::visit(sv2::overloaded{
                   [&](const sv2::WantTemplate& e) {
                       wanted_[e.key] = true;
                       offer(e.key);
                   },
                   [&](const sv2::DropTemplate& e) { wanted_.erase(e.key); },
                   [&](const sv2::WantTransactions& e) {
                       (void)engine_.transactions_ready(e.template_id, std::nullopt, sv2::now());
                   },
                   [&](const sv2::Writable& e) { sockets_.write(e.connection); },
                   [&](const sv2::Close& e) { sockets_.close(e.connection, e.reason); },
                   [](const auto&) {},
               },
               event);
}

void TipMaker::offer(const sv2_constraint_key& key) {
    const auto made = chain_->make_template(key.reserved_weight, key.sigops);
    sv2_template t = sv2::make_template();
    t.node_handle = next_handle_++;
    t.version = made->version;
    t.header_timestamp = made->time;
    t.nbits = made->nbits;
    t.prev_hash = made->prev_hash;
    t.coinbase_tx_version = made->coinbase_tx_version;
    t.coinbase_tx_input_sequence = made->coinbase_tx_input_sequence;
    t.coinbase_tx_locktime = made->coinbase_tx_locktime;
    t.coinbase_tx_outputs_count = made->coinbase_tx_outputs_count;
    t.coinbase_tx_value_remaining = made->coinbase_tx_value_remaining;
    t.coinbase_prefix = sv2::bytes(made->coinbase_prefix);
    t.coinbase_tx_outputs = sv2::bytes(made->coinbase_tx_outputs);
    t.merkle_path = sv2::list(made->merkle_path);
    if (const auto taken = engine_.template_ready(key, t, sv2::now()); !taken) throw std::runtime_error(engine_.error());
}

TipMaker::Tip TipMaker::next_tip() {
    if (const auto mined = chain_->mine_one(); mined.verdict != host::Verdict::accepted) throw std::runtime_error(mined.reason);
    const Tip tip{chain_->tip(), std::chrono::steady_clock::now()};
    (void)engine_.tip_changed(chain_->tip(), sv2::now());
    loop_.drain();
    chain_->add_transactions(transactions_);
    return tip;
}
