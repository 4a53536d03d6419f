#include "settings.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <system_error>
#include <utility>

namespace {

std::string_view trim(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n";
    const auto first = text.find_first_not_of(blank);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

std::pair<std::string_view, std::optional<std::string_view>> split(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == text.npos) return {trim(text), std::nullopt};
    return {trim(text.substr(0, equals)), trim(text.substr(equals + 1))};
}

}  // namespace

std::optional<bool> is_on(std::string_view text) {
    if (text.empty()) return true;
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number != 0;
}

const KnownOption* Settings::known(std::string_view name) const {
    const auto found = std::ranges::find(known_, name, &KnownOption::name);
    return found == known_.end() ? nullptr : &*found;
}

std::string Settings::add(Values& to, std::string name, std::optional<std::string> text, const std::string& where,
                          bool from_file) {
    const KnownOption* option = known(name);
    bool is_negated = false;
    if (!option && name.starts_with("no")) {
        const KnownOption* negated = known(name.substr(2));
        if (negated && negated->can_be_negated) {
            option = negated;
            name.erase(0, 2);
            const auto on = is_on(text.value_or(""));
            if (!on) return where + ": this is either 1 or 0.";
            is_negated = *on;
            text = std::string(1, is_negated ? '0' : '1');
        }
    }
    if (!option) return where + ": there is no such option.";
    if (from_file && !option->in_file) return where + ": this cannot stand in a configuration file.";
    if (!text && option->needs_value) return where + ": a value is missing: -" + name + "=<value>.";
    to[name].push_back({text.value_or(""), where, is_negated});
    return {};
}

std::string Settings::read_command_line(std::span<const std::string> arguments) {
    for (const std::string& argument : arguments) {
        std::string_view rest = argument;
        if (rest.starts_with("--")) rest.remove_prefix(1);
        if (!rest.starts_with('-')) return "'" + argument + "' is not an option: options begin with a dash.";
        rest.remove_prefix(1);
        const auto equals = rest.find('=');
        std::optional<std::string> value;
        if (equals != rest.npos) value = rest.substr(equals + 1);
        std::string error = add(command_line_, std::string{rest.substr(0, equals)}, std::move(value),
                                "'" + argument + "'", false);
        if (!error.empty()) return error;
    }
    return {};
}

std::string Settings::read_file(const std::filesystem::path& path, std::span<const std::string_view> sections) {
    std::error_code ignored;
    std::ifstream file{path};
    if (!file || std::filesystem::is_directory(path, ignored)) {
        return "The configuration file " + path.string() + " cannot be read.";
    }
    std::string section;
    std::size_t number = 0;
    for (std::string line; std::getline(file, line);) {
        const std::string_view text = trim(std::string_view{line}.substr(0, line.find('#')));
        const std::string where = path.string() + ", line " + std::to_string(++number) + " ('" + std::string{text} + "')";
        if (text.empty()) continue;
        if (text.front() == '[' && text.back() == ']') {
            section = text.substr(1, text.size() - 2);
            if (std::ranges::find(sections, section) == sections.end()) return where + ": there is no such network.";
            continue;
        }
        if (text.front() == '-') return where + ": options are written without a dash here.";
        auto [name, value] = split(text);
        if (!value) return where + ": this is not name=value.";
        // regtest.sv2port=1 is sv2port=1 under [regtest].
        std::string_view in = section;
        if (const auto dot = name.find('.'); dot != name.npos) {
            in = name.substr(0, dot);
            name.remove_prefix(dot + 1);
            if (std::ranges::find(sections, in) == sections.end()) return where + ": there is no such network.";
        }
        std::string error = add(file_[std::string{in}], std::string{name}, std::string{*value}, where, true);
        if (!error.empty()) return error;
    }
    return {};
}

void Settings::select(std::string_view section, bool main_network) {
    section_ = section;
    main_network_ = main_network;
}

// The lists of values for an option, those that count more first.
std::vector<const std::vector<Settings::Value>*> Settings::sources(std::string_view name) const {
    std::vector<const std::vector<Value>*> found;
    const auto look = [&](const Values& in) {
        if (const auto at = in.find(name); at != in.end()) found.push_back(&at->second);
    };
    look(command_line_);
    if (const auto section = file_.find(section_); section != file_.end() && !section_.empty()) look(section->second);
    const KnownOption* option = known(name);
    const bool beginning_counts = main_network_ || !option || !option->of_a_network;
    if (const auto beginning = file_.find(""); beginning != file_.end() && beginning_counts) look(beginning->second);
    return found;
}

std::optional<Settings::Value> Settings::get(std::string_view name) const {
    const auto found = sources(name);
    if (found.empty()) return std::nullopt;
    const bool on_command_line = command_line_.contains(name);
    return on_command_line ? found.front()->back() : found.front()->front();
}

std::optional<Settings::Value> Settings::get_network(std::string_view name) const {
    if (const auto found = command_line_.find(name); found != command_line_.end()) return found->second.back();
    const auto beginning = file_.find("");
    if (beginning == file_.end()) return std::nullopt;
    const auto found = beginning->second.find(name);
    return found == beginning->second.end() ? std::nullopt : std::optional{found->second.back()};
}

std::vector<Settings::Value> Settings::all(std::string_view name) const {
    std::vector<Value> values;
    for (const auto* source : sources(name)) {
        const auto first = std::find_if(source->rbegin(), source->rend(), [](const Value& of) { return of.negated; }).base();
        values.insert(values.end(), first, source->end());
        if (first != source->begin()) break;
    }
    return values;
}

std::vector<std::string> Settings::unused() const {
    std::vector<std::string> lines;
    const auto beginning = file_.find("");
    if (main_network_ || beginning == file_.end()) return lines;
    for (const auto& [name, values] : beginning->second) {
        if (!known(name)->of_a_network || get(name)) continue;
        for (const Value& value : values) lines.push_back(value.where);
    }
    return lines;
}
