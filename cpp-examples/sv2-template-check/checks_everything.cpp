// What must hold for every message on every connection.
#include "checks.hpp"

namespace {

std::string count(std::size_t n, const char* what) { return std::to_string(n) + " " + what; }

}  // namespace

Verdict check_template_ids(Session& s) {
    if (s.watch().templates == 0) throw Skip{"there was no template"};
    if (s.watch().template_id.empty()) return ok(count(s.watch().templates, "templates"));
    return failed("greater ids than before", s.watch().template_id);
}

Verdict check_future_templates(Session& s) {
    if (s.watch().templates == 0) throw Skip{"there was no template"};
    return expect(s.watch().not_future.empty(), "future_template to be set", "it unset in " + s.watch().not_future);
}

Verdict check_prev_hash_template(Session& s) {
    if (s.watch().prev_hashes == 0) throw Skip{"there was no SetNewPrevHash"};
    if (s.watch().unknown_template.empty()) return ok(count(s.watch().prev_hashes, "SetNewPrevHash"));
    return failed("a template sent before", s.watch().unknown_template);
}

Verdict check_channel_msg(Session& s) {
    if (s.watch().messages == 0) throw Skip{"there was no message"};
    return expect(s.watch().channel_msg.empty(), "the bit to be unset", "it set in " + s.watch().channel_msg);
}

Verdict check_extension_type(Session& s) {
    if (s.watch().messages == 0) throw Skip{"there was no message"};
    return expect(s.watch().extension.empty(), "messages of the core protocol", s.watch().extension);
}

Verdict check_message_direction(Session& s) {
    if (s.watch().messages == 0) throw Skip{"there was no message"};
    return expect(s.watch().not_of_server.empty(), "messages of a template provider", s.watch().not_of_server);
}

Verdict check_error_codes_printable(Session& s) {
    if (s.watch().errors == 0) throw Skip{"there was no error"};
    if (s.watch().error_code.empty()) return ok(count(s.watch().errors, "errors"));
    return failed("printable ASCII", quoted(s.watch().error_code));
}

Verdict check_messages_readable(Session& s) {
    if (s.watch().messages == 0 && s.watch().unreadable.empty()) throw Skip{"there was no message"};
    if (s.watch().unreadable.empty()) return ok(count(s.watch().messages, "messages"));
    return failed("messages of the specification", quoted(s.watch().unreadable));
}
