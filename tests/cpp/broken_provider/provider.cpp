#include "provider.hpp"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <sv2-template-check/raw_message.hpp>

using host::Bytes;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t mempool = 200;  // more than fits besides huge outputs
constexpr auto patience = 10s;
constexpr auto idle = 300ms;
constexpr std::uint32_t most_outputs = (4'000'000 - 1168) / 4;  // bytes (spec 7.1)

template <class T>
T take(sv2::Result<T> result) {
    if (!result) throw std::runtime_error(result.status().message());
    return *std::move(result);
}

void must(sv2::Status status) {
    if (status.is_error()) throw std::runtime_error(status.message());
}

std::unique_ptr<host::RegtestChain> open_chain(const std::filesystem::path& datadir) {
    std::string error;
    auto chain = host::RegtestChain::open(datadir, error);
    if (!chain) throw std::runtime_error(error);
    chain->add_transactions(mempool);
    return chain;
}

sv2_new_template message_of(const NewTemplate& from) {
    return {
        .template_id = from.template_id,
        .future_template = from.future_template,
        .version = from.version,
        .coinbase_tx_version = from.coinbase_tx_version,
        .coinbase_prefix = host::view(from.coinbase_prefix),
        .coinbase_tx_input_sequence = from.coinbase_tx_input_sequence,
        .coinbase_tx_value_remaining = from.coinbase_tx_value_remaining,
        .coinbase_tx_outputs_count = from.coinbase_tx_outputs_count,
        .coinbase_tx_outputs = host::view(from.coinbase_tx_outputs),
        .coinbase_tx_locktime = from.coinbase_tx_locktime,
        .merkle_path = sv2::list(from.merkle_path),
    };
}

bool timed_out(const std::system_error& error) { return error.code() == std::errc::timed_out; }

bool sizes_differ(const sv2_coinbase_output_constraints& a, const sv2_coinbase_output_constraints& b) {
    return a.coinbase_output_max_additional_size != b.coinbase_output_max_additional_size;
}

// The coinbase with BIP 141 fields. Nothing if it has them already, or is none.
std::optional<Bytes> with_witness(const Bytes& coinbase) {
    const host::Hash reserved_value{};
    return host::filled<std::uint8_t>([&](std::uint8_t* out, std::size_t capacity, std::size_t* length) {
        return sv2_coinbase_restore_witness(host::view(coinbase), &reserved_value, out, capacity, length);
    });
}

// A coinbase that could belong to the template.
Bytes coinbase_of(const NewTemplate& from) {
    const sv2_coinbase_template coinbase{
        .coinbase_tx_version = from.coinbase_tx_version,
        .coinbase_tx_input_sequence = from.coinbase_tx_input_sequence,
        .coinbase_prefix = host::view(from.coinbase_prefix),
        .coinbase_tx_outputs = host::view(from.coinbase_tx_outputs),
        .coinbase_tx_outputs_count = from.coinbase_tx_outputs_count,
        .coinbase_tx_locktime = from.coinbase_tx_locktime,
    };
    const host::Hash reserved_value{};
    return host::filled<std::uint8_t>([&](std::uint8_t* out, std::size_t capacity, std::size_t* length) {
               return sv2_coinbase_build(&coinbase, {}, {}, &reserved_value, out, capacity, length);
           })
        .value();
}

}  // namespace

BrokenProvider::BrokenProvider(Fault fault, bool plaintext, const std::filesystem::path& datadir)
    : fault_(fault),
      plaintext_(plaintext),
      chain_(open_chain(datadir)),
      authority_(take(sv2::SecretKey::generate())),
      identity_(make_identity()),
      listener_(host::listen_on_loopback()),
      arguments_("127.0.0.1:" + std::to_string(host::port_of(listener_))),
      thread_() {
    arguments_ +=
        plaintext ? " -plaintext" : " -authority-key=" + take(take(sv2::AuthorityKey::of(authority_)).to_text());
    thread_ = std::thread{[this] { run(); }};
}

BrokenProvider::~BrokenProvider() {
    stop_ = true;
    thread_.join();
}

sv2::Identity BrokenProvider::make_identity() {
    const auto key = take(sv2::SecretKey::generate());
    const auto another = take(sv2::SecretKey::generate());
    const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
    auto from = now - 1h, until = now + 1h;
    if (is(Fault::certificate_expired)) until = now - 1min;
    if (is(Fault::certificate_not_yet_valid)) from = now + 1min;
    const auto& signer = is(Fault::certificate_of_another) ? another : authority_;
    sv2_certificate certificate = take(sv2::sign_certificate(signer, take(key.public_key()), from, until));
    if (is(Fault::certificate_version_1)) certificate.version = 1;
    return take(sv2::Identity::create(key, certificate));
}

// sockets

void BrokenProvider::run() {
    while (!stop_) {
        std::vector<pollfd> ready{{listener_.fd(), POLLIN, 0}};
        for (const Client& client : clients_) {
            const bool has_output = client.connection && !client.is_deaf && client.connection->output_len() > 0;
            ready.push_back({client.socket.fd(), static_cast<short>(has_output ? POLLIN | POLLOUT : POLLIN), 0});
        }
        (void)::poll(ready.data(), ready.size(), 20);
        std::size_t at = 1;
        for (Client& client : clients_) {
            const short events = ready[at++].revents;
            if (events & POLLOUT) flush(client);
            if (events & ~POLLOUT) receive(client);
        }
        update_idle_clients();
        clients_.remove_if([](const Client& client) { return client.is_closed; });
        if (ready[0].revents != 0) accept();
    }
}

void BrokenProvider::accept() {
    Client& client = clients_.emplace_back(host::accept_from(listener_, patience));
    (void)::fcntl(client.socket.fd(), F_SETFL, O_NONBLOCK);
    if (is(Fault::silent_client_blocks)) {
        pollfd first_byte{client.socket.fd(), POLLIN, 0};
        (void)::poll(&first_byte, 1, static_cast<int>(std::chrono::milliseconds{patience}.count()));
    }
    if (is(Fault::handshake_garbage)) return;
    client.connection =
        plaintext_ ? take(sv2::Connection::plain({.is_server = true})) : take(sv2::Connection::responder(identity_));
}

void BrokenProvider::receive(Client& client) try {
    std::array<std::uint8_t, 64 * 1024> buffer;
    const std::size_t n = client.socket.read(buffer, patience);
    if (n == 0) client.is_closed = true;
    if (client.is_closed || client.is_deaf) return;
    if (!client.connection) {
        const Bytes act2(234);  // spec 4.5.2
        client.socket.write(act2, patience);
        return;
    }
    std::span<std::uint8_t> bytes{buffer.data(), n};
    sv2::Message message;
    sv2::Status status;
    while (!client.is_closed && !client.is_deaf &&
           (status = client.connection->next_from(bytes, sv2::now(), message)).ok()) {
        handle(client, message);
    }
    flush(client);
    if (status.is_error()) end(client, status);
} catch (const std::system_error&) {
    client.is_closed = true;
}

// Writes what the socket takes at once. The rest waits until it takes more.
void BrokenProvider::flush(Client& client) try {
    const auto timeout = is(Fault::slow_reader_blocks) ? patience : 0s;
    for (auto out = client.connection->output(); !out.empty(); out = client.connection->output()) {
        Bytes bytes(out.begin(), out.end());
        if (is(Fault::ciphertext_altered) && client.constraints) bytes.back() ^= 1;
        must(client.connection->sent(client.socket.write(bytes, timeout)));
    }
} catch (const std::system_error& error) {
    client.is_closed |= timed_out(error) ? is(Fault::slow_reader_blocks) : true;
}

// After something that cannot be read.
void BrokenProvider::end(Client& client, sv2::Status status) {
    const bool is_malformed = status.code() == SV2_ERROR_MALFORMED;
    const bool survives = is_malformed       ? is(Fault::malformed_message_survives)
                          : client.is_set_up ? is(Fault::altered_message_survives)
                                             : is(Fault::garbage_survives);
    (survives ? client.is_deaf : client.is_closed) = true;
    if (!is_malformed || !is(Fault::malformed_closes_all)) return;
    for (Client& each : clients_) each.is_closed = true;
}

// messages

void BrokenProvider::handle(Client& client, const sv2::Message& message) {
    ++client.messages;
    client.last_heard = std::chrono::steady_clock::now();
    if (is(Fault::trailing_bytes_close) && message.trailing.len > 0) {
        client.is_closed = true;
        return;
    }
    const bool is_setup = message.type == SV2_MESSAGE_SETUP_CONNECTION;
    if (!client.is_set_up && !is_setup && !is(Fault::served_without_setup)) {
        (is(Fault::open_without_setup) ? client.is_deaf : client.is_closed) = true;
        return;
    }
    if (message.name().empty()) {  // unknown: to be ignored
        const bool other_extension = message.extension_type != 0;
        client.is_closed = is(other_extension ? Fault::unknown_extension_closes : Fault::unknown_message_closes);
        return;
    }
    const auto handled = sv2::overloaded{
        [&](const sv2_setup_connection& m) { on_setup(client, m); },
        [&](const sv2_coinbase_output_constraints& m) { on_constraints(client, m); },
        [&](const sv2_request_transaction_data& m) { on_request(client, m.template_id); },
        [&](const sv2_submit_solution& m) { on_solution(client, m); },
        [&](const sv2_request_extensions&) { client.is_closed |= is(Fault::extensions_request_closes); },
        [](const auto&) {},
    };
    sv2::visit(message, handled);
}

void BrokenProvider::on_setup(Client& client, const sv2_setup_connection& setup) {
    if (setup.protocol > SV2_PROTOCOL_TEMPLATE_DISTRIBUTION && is(Fault::unknown_protocol_closes)) {
        client.is_closed = true;
        return;
    }
    const bool is_mining = setup.protocol == SV2_PROTOCOL_MINING;
    if (setup.protocol != SV2_PROTOCOL_TEMPLATE_DISTRIBUTION && !(is_mining && is(Fault::mining_accepted))) {
        return refuse(client, is_mining && is(Fault::mining_refused_with_flags), SV2_ERROR_CODE_UNSUPPORTED_PROTOCOL);
    }
    if (setup.max_version > 2 && is(Fault::version_range_refused)) {
        return refuse(client, 0, SV2_ERROR_CODE_PROTOCOL_VERSION_MISMATCH);
    }
    if ((setup.min_version > 2 || setup.max_version < 2) && !is(Fault::version_3_accepted)) {
        return refuse(client, 0, SV2_ERROR_CODE_PROTOCOL_VERSION_MISMATCH);
    }
    if (setup.flags != 0 && !is(Fault::flags_accepted)) {
        return refuse(client, is(Fault::flags_unnamed) ? 0 : setup.flags, SV2_ERROR_CODE_UNSUPPORTED_FEATURE_FLAGS);
    }
    if (is(Fault::setup_refused)) return refuse(client, 0, "busy");
    if (is(Fault::setup_unanswered)) return;
    if (is(Fault::something_before_success)) {
        must(client.connection->send(sv2_request_transaction_data_error{1, sv2::str("hello")}));
    }
    client.is_set_up = true;
    const bool takes_3 = is(setup.max_version > 2 ? Fault::version_range_3 : Fault::used_version_3);
    must(client.connection->send(sv2_setup_connection_success{
        .used_version = static_cast<std::uint16_t>(takes_3 ? 3 : 2),
        .flags = is(Fault::success_with_flags),
    }));
    if (is(Fault::extension_uninvited)) must(client.connection->send(raw_message(0x7abc, 1, Bytes{1, 2, 3})));
    if (is(Fault::message_of_clients)) must(client.connection->send(sv2_request_transaction_data{1}));
    if (is(Fault::error_code_with_line_feed)) {
        must(client.connection->send(sv2_request_transaction_data_error{1, sv2::str("busy\n")}));
    }
    if (is(Fault::uninvited_template) && &client == &clients_.front()) {
        client.constraints.emplace();
        send_template(client);
    }
}

void BrokenProvider::refuse(Client& client, std::uint32_t flags, const char* error_code) {
    if (is(Fault::unknown_error_code)) error_code = "no";
    must(client.connection->send(sv2_setup_connection_error{flags, sv2::str(std::string_view{error_code})}));
    flush(client);
    (is(Fault::open_after_error) ? client.is_deaf : client.is_closed) = true;
}

void BrokenProvider::on_constraints(Client& client, const sv2_coinbase_output_constraints& constraints) {
    const bool first = !client.constraints;
    if (constraints.coinbase_output_max_additional_size > most_outputs && !is(Fault::impossible_served)) {
        (is(Fault::impossible_open) ? client.is_deaf : client.is_closed) = true;
        return;
    }
    if (first || !is(Fault::change_ignored)) client.constraints = constraints;
    if (is(Fault::no_template) || (is(Fault::constraints_only_once) && !first)) return;
    send_template(client);
}

void BrokenProvider::on_request(Client& client, std::uint64_t template_id) {
    const auto found = works_.find(template_id);
    const auto refuse_with = [&](const char* error_code) {
        must(client.connection->send(
            sv2_request_transaction_data_error{template_id, sv2::str(std::string_view{error_code})}));
    };
    if (found == works_.end()) {
        if (is(Fault::unknown_template_unanswered)) return;
        if (is(Fault::unknown_template_answered)) return send_data(client, works_.begin()->second, template_id);
        return refuse_with(is(Fault::unknown_template_code) ? "no" : SV2_ERROR_CODE_TEMPLATE_ID_NOT_FOUND);
    }
    if (is_gone(found->second)) {
        // Given once; after that its time is over. With a clock the test would be slow, or fail on a busy machine.
        const bool is_stale = !asked_when_gone_.insert(template_id).second;
        if (is(is_stale ? Fault::stale_template_unanswered : Fault::old_template_unanswered)) return;
        if (is(is_stale ? Fault::stale_template_not_found : Fault::old_template_not_found)) {
            return refuse_with(SV2_ERROR_CODE_TEMPLATE_ID_NOT_FOUND);
        }
        if (is_stale || is(Fault::old_template_stale_at_once)) return refuse_with(SV2_ERROR_CODE_STALE_TEMPLATE_ID);
    }
    if (is(Fault::foreign_template_unanswered) && !client.template_ids.contains(template_id)) return;
    const bool is_first = template_id == works_.begin()->first;
    if (is(Fault::data_unanswered) && is_first) return;
    if (is(Fault::data_refused)) return refuse_with(SV2_ERROR_CODE_STALE_TEMPLATE_ID);
    send_data(client, found->second, template_id + is(Fault::data_of_another_template));
}

bool BrokenProvider::is_gone(const Work& work) const { return !host::same(work.of_chain->prev_hash, chain_->tip()); }

void BrokenProvider::on_solution(Client& client, const sv2_submit_solution& solution) {
    const auto found = works_.find(solution.template_id);
    if (found == works_.end()) {
        client.is_closed |= is(Fault::unknown_solution_closes);
        return;
    }
    if (is(Fault::solution_ignored)) return;
    if (is(Fault::rolled_version_refused) && solution.version != found->second.made.version) return;
    Bytes coinbase(sv2::view(solution.coinbase_tx).begin(), sv2::view(solution.coinbase_tx).end());
    if (const auto restored = with_witness(coinbase)) coinbase = *restored;
    const auto result = chain_->submit(*found->second.of_chain, solution.version, solution.header_timestamp,
                                       solution.header_nonce, coinbase);
    client.is_closed |= is(Fault::repeated_solution_closes) && result.verdict == host::Verdict::duplicate;
    client.is_closed |= is(Fault::late_solution_closes) && result.verdict == host::Verdict::stale;
    if (result.verdict != host::Verdict::accepted) return;
    ++tips_;
    chain_->add_transactions(mempool - std::min(mempool, chain_->mempool_size()));
    if (is(Fault::new_tip_keeps_transactions)) mined_ = found->second.transactions.front();
    send_new_tip(client);
}

void BrokenProvider::send_new_tip(Client& solver) {
    for (Client& each : clients_) {
        if (!each.constraints || each.is_deaf) continue;
        const bool is_other_key = sizes_differ(*each.constraints, *solver.constraints);
        if (is(Fault::new_tip_to_one_client) && &each != &solver && !is_other_key) continue;
        if (is(Fault::new_tip_to_one_key) && is_other_key) continue;
        send_template(each);
        flush(each);
    }
}

// templates

// Who has said what it needs, and then nothing for a while, gets one template with more fees.
void BrokenProvider::update_idle_clients() {
    constexpr std::size_t setup_and_constraints = 2;
    for (Client& client : clients_) {
        if (!client.constraints || client.messages != setup_and_constraints || client.is_updated || client.is_closed ||
            client.is_deaf || is(Fault::fees_not_pushed) || is(Fault::no_template) || is(Fault::no_prev_hash) ||
            std::chrono::steady_clock::now() - client.last_heard < idle) {
            continue;
        }
        client.is_updated = true;
        chain_->add_transactions(1);
        send_template(client, true);
        flush(client);
    }
}

void BrokenProvider::send_template(Client& client, bool is_update) {
    const std::uint64_t id = next_template_id_;
    if (is(Fault::template_ids_fall)) {
        --next_template_id_;
    } else if (!is(Fault::template_ids_stay)) {
        ++next_template_id_;
    }
    Work& work = works_[id] = make_work(*chain_, *client.constraints, id, fault_);
    if (is(Fault::first_not_future) || (is(Fault::new_tip_not_future) && tips_ > 0)) work.made.future_template = false;
    if (is(Fault::new_tip_misnamed) && tips_ > 0) work.tip.prev_hash.bytes[0] ^= 1;
    if (is(Fault::new_tip_height_stays) && tips_ > 0) --work.made.coinbase_prefix.at(1);
    if (is(Fault::prev_hash_of_another_template)) work.tip.template_id += 500;
    if (mined_) add_transaction(work, *mined_);
    if (is_update) work.made.future_template = false;

    const bool is_first = client.template_ids.empty();
    client.template_ids.insert(id);
    if (is(Fault::prev_hash_first) && !is_update) must(client.connection->send(work.tip));
    send_new_template(client, work.made);
    const bool is_forgotten = (is(Fault::second_client_forgotten) && &client != &clients_.front()) ||
                              (is(Fault::other_client_forgotten) && is_unlike_others(client)) ||
                              (is(Fault::change_without_prev_hash) && !is_first && tips_ == 0);
    if (is_update || is(Fault::no_prev_hash) || is(Fault::prev_hash_first) || is_forgotten) return;
    must(client.connection->send(work.tip));
}

// Whether it needs something else than the client before it, one of several.
bool BrokenProvider::is_unlike_others(const Client& client) const {
    constexpr std::size_t several = 4;
    if (clients_.size() < several) return false;
    const auto here = std::ranges::find(clients_, &client, [](const Client& each) { return &each; });
    const auto& before = std::prev(here)->constraints;
    return before && sizes_differ(*before, *client.constraints);
}

void BrokenProvider::send_new_template(Client& client, const NewTemplate& made) {
    constexpr std::uint16_t channel_msg = 0x8000;
    const Bytes frame = take(sv2::encode(message_of(made)));
    const host::ByteView payload = host::ByteView{frame}.subspan(6);  // behind the frame's header
    if (is(Fault::channel_msg_set)) {
        must(client.connection->send(raw_message(channel_msg, SV2_MESSAGE_NEW_TEMPLATE, payload)));
    } else if (is(Fault::template_cut_off)) {
        must(client.connection->send(raw_message(0, SV2_MESSAGE_NEW_TEMPLATE, payload.first(payload.size() - 5))));
    } else {
        must(client.connection->send(message_of(made)));
    }
}

void BrokenProvider::send_data(Client& client, const Work& work, std::uint64_t template_id) {
    std::vector<Bytes> data = work.transactions;
    if (is(Fault::transaction_cut_off)) data.back().pop_back();
    if (is(Fault::coinbase_in_data)) data.insert(data.begin(), coinbase_of(work.made));
    std::vector<sv2_bytes> list;
    for (const Bytes& bytes : data) list.push_back(host::view(bytes));
    must(client.connection->send(sv2_request_transaction_data_success{template_id, {}, sv2::list(list)}));
}
