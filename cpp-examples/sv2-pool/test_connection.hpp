// --test-connection.
#pragma once

#include "settings.hpp"

// Connects to the template providers until one of them gives work, or it takes too long; says how that went. The exit status.
int test_connection(const Settings& settings);
