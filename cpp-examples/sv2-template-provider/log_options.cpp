// -debug, -loglevel and whatever else is about the log.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "reader.hpp"

void read_log_options(const Settings& settings, Reader& reader, Options& options) {
    host::LogOptions& log = options.log;
    log.console = reader.on("printtoconsole", true);
    log.timestamps = reader.on("logtimestamps", true);
    log.microseconds = reader.on("logtimemicros", false);
    log.always_level = reader.on("loglevelalways", false);
    log.file = reader.path("debuglogfile", options.directory, "sv2-debug.log");
    options.log_addresses = reader.on("logips", false);

    // As in sv2-tp: -debug switches categories on, and -loglevel says down to what they are written.
    std::array<bool, host::category_count> on{};
    std::array<host::Level, host::category_count> depth;
    depth.fill(host::Level::debug);
    const auto set = [&](const Settings::Value& value, bool to) {
        if (value.text.empty() || value.text == "1" || value.text == "all") {
            on.fill(to);
        } else if (const auto category = host::category_of(value.text)) {
            on[static_cast<std::size_t>(*category)] = to;
        } else if (value.text != "bench" && value.text != "rand") {
            reader.wrong(value, "there is no such category: sv2, ipc, net, all, none");
        }
    };
    const auto debug = settings.all("debug");
    const auto is_none = [](const Settings::Value& value) { return value.text == "0" || value.text == "none"; };
    const auto last_none = std::find_if(debug.rbegin(), debug.rend(), is_none).base();
    std::for_each(last_none, debug.end(), [&](const Settings::Value& value) { set(value, true); });
    for (const Settings::Value& value : settings.all("debugexclude")) set(value, false);
    for (const Settings::Value& value : settings.all("loglevel")) {
        const auto colon = value.text.find(':');
        const auto level = host::level_of(std::string_view{value.text}.substr(colon == std::string::npos ? 0 : colon + 1));
        if (!level || *level < host::Level::info) {
            reader.wrong(value, "there is no such level: info, debug, trace");
        } else if (colon == std::string::npos) {
            depth.fill(*level);
        } else if (const auto category = host::category_of(std::string_view{value.text}.substr(0, colon))) {
            depth[static_cast<std::size_t>(*category)] = *level;
        } else {
            reader.wrong(value, "there is no such category: sv2, ipc, net");
        }
    }
    for (std::size_t i = 0; i < host::category_count; ++i) log.levels[i] = on[i] ? depth[i] : host::Level::info;
    log.shrink_file = reader.on("shrinkdebugfile", std::ranges::find(on, true) == on.end());
}
