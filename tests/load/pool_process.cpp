#include "pool_process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace {

std::string contents(const std::filesystem::path& path) {
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace

PoolProcess::PoolProcess(const std::string& program, const std::filesystem::path& directory,
                         const std::vector<std::string>& options)
    : log_(directory / "pool.log") {
    std::vector<std::string> arguments{program};
    arguments.insert(arguments.end(), options.begin(), options.end());
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("cannot start a process");
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // not to outlive a test that was killed
        const int log = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        ::dup2(log, STDOUT_FILENO);
        ::dup2(log, STDERR_FILENO);
        ::close(log);
        ::execv(pointers[0], pointers.data());
        ::_exit(127);
    }
}

PoolProcess::~PoolProcess() {
    if (!is_running()) return;
    ::kill(pid_, SIGTERM);
    for (int tries = 0; tries < 100 && is_running(); ++tries) std::this_thread::sleep_for(std::chrono::milliseconds{100});
    if (!is_running()) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status_, 0);
}

bool PoolProcess::is_running() {
    if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
    return pid_ > 0;
}

host::ServerAddress PoolProcess::address() const {
    constexpr std::string_view before = "listening on ";
    for (int tries = 0; tries < 300; ++tries) {
        const std::string text = contents(log_);
        if (const auto at = text.find(before); at != text.npos) {
            const auto from = at + before.size();
            if (const auto to = text.find_first_of(" \n", from); to != text.npos) {
                const auto address = host::ServerAddress::parse(std::string_view{text}.substr(from, to - from));
                if (address) return *address;
            }
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
    throw std::runtime_error("the pool never said where it listens:\n" + last_words());
}

std::uint64_t PoolProcess::private_memory() const {
    std::ifstream file{"/proc/" + std::to_string(pid_) + "/smaps_rollup"};
    for (std::string word; file >> word;) {
        std::uint64_t kibibytes = 0;
        if (word == "Anonymous:" && file >> kibibytes) return kibibytes * 1024;
    }
    throw std::runtime_error("the pool's memory cannot be read from /proc");
}

double PoolProcess::processor_seconds() const {
    const std::string text = contents("/proc/" + std::to_string(pid_) + "/stat");
    std::istringstream fields{text.substr(std::min(text.rfind(')') + 1, text.size()))};
    std::string ignored;
    for (int i = 0; i < 11; ++i) fields >> ignored;  // up to cmajflt
    double user = 0, system = 0;
    fields >> user >> system;
    return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::string PoolProcess::last_words() const {
    const std::string text = contents(log_);
    std::size_t from = text.size();
    for (int lines = 0; lines < 20 && from != text.npos && from > 0; ++lines) from = text.rfind('\n', from - 1);
    return from == text.npos ? text : text.substr(from);
}
