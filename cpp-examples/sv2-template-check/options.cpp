#include "options.hpp"

#include <charconv>
#include <cstdint>
#include <string_view>

namespace {

constexpr std::string_view scheme = "stratum2+tcp://";
constexpr double max_seconds = 24 * 60 * 60;

constexpr std::string_view help =
    R"(sv2-template-check: does a template provider follow the specification? (version )" SV2_VERSION R"()

  sv2-template-check stratum2+tcp://<host>:<port>/<authority key> [options]
  sv2-template-check <host>:<port> -authority-key=<key> [options]

It connects several times, as one client and as three at once, and says for each requirement whether it is met:
"ok", "FAIL" with what was expected and what came, "skip" with the reason, or "note" of what the specification leaves
open. docs/template-check.md tells what is looked at, and what cannot be.

  -authority-key=<key>    The provider's authority key, in base58check; without one its certificate is only read
  -plaintext              The provider does not encrypt
  -timeout=<s>            Time within which the provider must react (default: 5)
  -solve                  Mine blocks and submit them, if their difficulty is that of regtest
  -new-tip-timeout=<s>    Without -solve, wait so long for a new block of somebody else (default: do not wait)
  -update-timeout=<s>     Wait so long for a template with more fees: they must be rising (default: do not wait)
  -template-lifetime=<s>  Time for which a template can be asked about after its tip is gone; it is waited for
                          (default: 10; 0: do not wait)
  -json                   One line of JSON for each requirement, and nothing else
  -list                   Name all requirements
  -help, -version

Exit status: 0 if nothing failed, 1 if something did, 2 if the provider could not be checked.
)";

Print failure(std::string text) { return {std::move(text) + "\nTry -help.\n", true}; }

std::optional<std::chrono::milliseconds> seconds(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !(value > 0 && value <= max_seconds)) return {};
    return std::chrono::milliseconds{static_cast<std::int64_t>(value * 1000) + 1};
}

// "host:port" is a URL without its beginning.
sv2::Result<sv2::Url> parse_provider(const std::string& text) {
    return sv2::Url::parse(text.starts_with(scheme) ? text : std::string{scheme} + text);
}

}  // namespace

std::variant<Options, Print, List> parse_options(const std::vector<std::string>& arguments) {
    Options options;
    for (const std::string& argument : arguments) {
        std::string_view name = argument;
        if (name.starts_with("--")) name.remove_prefix(1);
        std::string_view value;
        if (const auto equals = name.find('='); name.starts_with("-") && equals != name.npos) {
            value = name.substr(equals + 1);
            name = name.substr(0, equals);
        }
        const auto wrong = [&] { return failure("'" + argument + "' has no valid value."); };

        if (name == "-help" || name == "-h" || name == "-?") return Print{std::string{help}, false};
        if (name == "-version") return Print{"sv2-template-check " SV2_VERSION "\n", false};
        if (name == "-list") return List{};
        if (name == "-plaintext" && value.empty()) {
            options.plaintext = true;
        } else if (name == "-solve" && value.empty()) {
            options.solve = true;
        } else if (name == "-json" && value.empty()) {
            options.json = true;
        } else if (name == "-authority-key") {
            const auto key = sv2::AuthorityKey::parse(value);
            if (!key) return wrong();
            options.authority_key = *key;
        } else if (name == "-timeout") {
            const auto timeout = seconds(value);
            if (!timeout) return wrong();
            options.timeout = *timeout;
        } else if (name == "-new-tip-timeout") {
            options.new_tip_timeout = seconds(value);
            if (!options.new_tip_timeout) return wrong();
        } else if (name == "-update-timeout") {
            options.update_timeout = seconds(value);
            if (!options.update_timeout) return wrong();
        } else if (name == "-template-lifetime") {
            const auto lifetime = value == "0" ? std::chrono::milliseconds{0} : seconds(value);
            if (!lifetime) return wrong();
            options.template_lifetime = *lifetime;
        } else if (name.starts_with("-")) {
            return failure("'" + argument + "' is not an option.");
        } else if (!options.host.empty()) {
            return failure("'" + argument + "': only one provider can be checked at a time.");
        } else {
            const auto url = parse_provider(argument);
            if (!url) return failure("'" + argument + "' is neither <host>:<port> nor a URL with an authority key.");
            options.host = url->host;
            options.port = url->port;
            if (url->authority_key) options.authority_key = url->authority_key;
        }
    }
    if (options.host.empty()) return failure("Which provider?");
    if (options.plaintext && options.authority_key) {
        return failure("A provider that does not encrypt has no authority key.");
    }
    return options;
}
