// What a session spec asks of a local browser process. Pure.
#pragma once

#include "troupe/session.hpp"

namespace troupe::sessions {

/// It cannot share a browser process with others: a CDP client drives it, or it asks for something
/// that holds for a whole process (profile, extension, proxy, rules for requests, identity).
bool needs_own_process(const SessionSpec& spec);
/// Its process lets CDP clients in.
bool is_listening(const SessionSpec& spec);
/// Any browser process fits that was started without knowing the spec.
bool is_default_shape(const SessionSpec& spec);

}  // namespace troupe::sessions
