// sv2-pool as a process of its own, until the object goes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "host/address.hpp"

class PoolProcess {
public:
    // What it says goes to pool.log in `directory`. Throws if it cannot be started.
    PoolProcess(const std::string& program, const std::filesystem::path& directory, const std::vector<std::string>& options);
    ~PoolProcess();
    PoolProcess(const PoolProcess&) = delete;
    PoolProcess& operator=(const PoolProcess&) = delete;

    // Where it listens, as it says when it starts; throws if it never does.
    host::ServerAddress address() const;
    bool is_running();
    // The memory that it has to itself, in bytes: heap and stacks, nothing of files.
    std::uint64_t private_memory() const;
    // Processor time that it has taken so far, in seconds.
    double processor_seconds() const;
    // Its last lines.
    std::string last_words() const;

private:
    const std::filesystem::path log_;
    int pid_ = -1;
    int status_ = 0;
};
