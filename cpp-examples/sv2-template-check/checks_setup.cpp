// Encryption (spec 4.5) and SetupConnection (spec 3.6).
#include <chrono>
#include <cstdint>

#include "checks.hpp"

namespace {

constexpr std::uint32_t all_flags = 0xffffffff;
constexpr std::int64_t leeway_s = 10;

// Sends a SetupConnection that must be refused.
Refusal& refuse(Session& s, const char* name, const sv2_setup_connection& setup) {
    const auto peer = s.connect();
    peer->send(setup);
    Refusal refusal{.name = name, .error = {}, .closed = false, .heard = {}};
    const Message* answer = peer->await_one_of<SetupError, SetupSuccess>();
    if (const auto* error = answer ? std::get_if<SetupError>(answer) : nullptr) {
        refusal.error = *error;
        refusal.closed = peer->await_close();
    }
    refusal.heard = peer->heard();
    return s.refusals.emplace_back(std::move(refusal));
}

// An error about something else than flags has none (spec 3.6.3).
Verdict without_flags(const Refusal& refusal) {
    if (!refusal.error) return failed("SetupConnection.Error", refusal.heard);
    return expect(refusal.error->flags == 0, "SetupConnection.Error with flags 0",
                  "flags " + std::to_string(refusal.error->flags));
}

}  // namespace

Verdict check_handshake(Session& s) {
    s.first = std::make_unique<Peer>(s.options(), s.watch());
    if (s.options().plaintext) throw Skip{"there is no encryption"};
    const std::string got = s.first->error().empty() ? s.first->heard() : s.first->error();
    return expect(s.first->is_established(), "act 2", got);
}

Verdict check_certificate_version(Session& s) {
    const std::uint16_t version = s.certificate().version;
    return measure(version == 0, "0", std::to_string(version));
}

Verdict check_certificate_validity(Session& s) {
    const sv2_certificate certificate = s.certificate();
    const auto now = static_cast<std::int64_t>(sv2::now().unix_s);
    const bool valid = certificate.valid_from <= now + leeway_s && certificate.not_valid_after >= now - leeway_s;
    return measure(valid, "a period around " + std::to_string(now),
                   std::to_string(certificate.valid_from) + " to " + std::to_string(certificate.not_valid_after));
}

Verdict check_certificate_signature(Session& s) {
    const sv2_certificate certificate = s.certificate();
    if (!s.options().authority_key) throw Skip{"no authority key was given"};
    if (certificate.version != 0) throw Skip{"how another version is signed is not known"};
    // At a moment when it is valid, all that can be wrong is the signature.
    const std::chrono::sys_seconds then{std::chrono::seconds{certificate.valid_from}};
    if (certificate.not_valid_after < certificate.valid_from) throw Skip{"it is never valid"};
    const char* reason = "";
    const sv2::Status status = sv2::check_certificate(certificate, *s.options().authority_key, then, &reason);
    return expect(status.ok(), "the authority's signature", quoted(reason));
}

Verdict check_setup_success(Session& s) {
    Peer& peer = s.main();
    peer.send(setup_connection(s.options()));
    // Past anything else, so that the other checks can go on.
    const Message* success = peer.await_one_of<SetupSuccess>();
    const bool is_first = success && success == &peer.messages().front();
    return expect(is_first, "SetupConnection.Success", peer.heard());
}

Verdict check_setup_version(Session& s) {
    const std::uint16_t version = s.setup_success().used_version;
    return measure(version == 2, "2", std::to_string(version));
}

Verdict check_setup_flags(Session& s) {
    const std::uint32_t flags = s.setup_success().flags;
    return measure(flags == 0, "0", std::to_string(flags));
}

// Versions that are to come can be offered today.
Verdict check_setup_version_range(Session& s) {
    s.setup_success();
    const auto peer = s.connect();
    sv2_setup_connection setup = setup_connection(s.options());
    setup.max_version = 3;
    peer->send(setup);
    const auto* success = peer->await<SetupSuccess>();
    if (!success) return failed("SetupConnection.Success", peer->heard());
    return measure(success->used_version == 2, "2", std::to_string(success->used_version));
}

// What room a template must leave is not known before the client has said it.
Verdict check_template_uninvited(Session& s) {
    constexpr Peer::Milliseconds a_moment{100};
    s.setup_success();
    const auto is_template = [](const Message& message) { return std::holds_alternative<NewTemplate>(message); };
    const Message* made = s.main().await_where(0, a_moment, is_template);
    return expect(!made, "none", s.main().heard());
}

Verdict check_setup_wrong_protocol(Session& s) {
    sv2_setup_connection setup = setup_connection(s.options());
    setup.protocol = SV2_PROTOCOL_MINING;
    return without_flags(refuse(s, SV2_ERROR_CODE_UNSUPPORTED_PROTOCOL, setup));
}

Verdict check_setup_unknown_protocol(Session& s) {
    sv2_setup_connection setup = setup_connection(s.options());
    setup.protocol = 200;
    return without_flags(refuse(s, SV2_ERROR_CODE_UNSUPPORTED_PROTOCOL, setup));
}

Verdict check_setup_wrong_version(Session& s) {
    sv2_setup_connection setup = setup_connection(s.options());
    setup.min_version = 3;
    setup.max_version = 3;
    return without_flags(refuse(s, SV2_ERROR_CODE_PROTOCOL_VERSION_MISMATCH, setup));
}

// Asked for all flags, a server names all that it does not support (spec 3.6.3).
Verdict check_setup_unknown_flags(Session& s) {
    sv2_setup_connection setup = setup_connection(s.options());
    setup.flags = all_flags;
    const Refusal& refusal = refuse(s, SV2_ERROR_CODE_UNSUPPORTED_FEATURE_FLAGS, setup);
    if (!refusal.error) return failed("SetupConnection.Error", refusal.heard);
    return measure(refusal.error->flags == all_flags, "flags " + std::to_string(all_flags),
                   std::to_string(refusal.error->flags));
}

Verdict check_setup_error_codes(Session& s) {
    bool any = false;
    for (const Refusal& refusal : s.refusals) {
        if (!refusal.error) continue;
        any = true;
        if (refusal.error->error_code != refusal.name) return failed(refusal.name, refusal.error->error_code);
    }
    if (!any) throw Skip{"there was no SetupConnection.Error"};
    return {};
}

Verdict check_setup_error_closes(Session& s) {
    bool any = false;
    for (const Refusal& refusal : s.refusals) {
        if (!refusal.error) continue;
        any = true;
        if (!refusal.closed) return failed("the end of the connection", "only " + refusal.heard);
    }
    if (!any) throw Skip{"there was no SetupConnection.Error"};
    return {};
}

Verdict check_setup_first(Session& s) {
    const auto peer = s.connect();
    peer->send(small_constraints);
    const bool closed = peer->await_close();
    const bool served = peer->await<NewTemplate>() != nullptr;
    return expect(closed && !served, "the end of the connection", peer->heard());
}
