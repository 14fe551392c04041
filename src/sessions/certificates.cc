#include "sessions/certificates.h"

#include <unistd.h>

#include <filesystem>

#include "sessions/process.h"

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

constexpr const char* kCertutil = "/usr/bin/certutil";

// Ends with the exit text of the program.
Async<std::string> run_certutil(Context& ctx, std::vector<std::string> arguments) {
  ProcessOptions options{.path = kCertutil, .arguments = std::move(arguments)};
  CO_TRY(const auto process, Process::spawn(ctx.executor(), options));
  CO_TRY_VOID(co_await process->exited().wait(ctx));
  co_return process->exit_text();
}

}  // namespace

Async<void> trust_certificates(Context& ctx, std::string home, std::vector<std::string> pem_files) {
  if (access(kCertutil, X_OK) != 0)
    co_return fail(Errc::unsupported, "certificates: certutil is not installed", "host",
                   "apt-get install libnss3-tools");
  const std::string folder = home + "/.pki/nssdb";
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    co_return fail(Errc::storage_failed, "certificates " + folder + ": " + error.message());
  const std::string database = "sql:" + folder;
  std::vector<std::string> make{"-N", "--empty-password", "-d", database};
  CO_TRY(const std::string made, co_await run_certutil(ctx, std::move(make)));
  if (made != "exit code 0")
    co_return fail(Errc::storage_failed, "certificates " + folder + ": certutil " + made);
  for (const std::string& file : pem_files) {
    std::vector<std::string> add{"-A", "-d", database, "-n", file, "-t", "C,,", "-i", file};
    CO_TRY(const std::string added, co_await run_certutil(ctx, std::move(add)));
    if (added != "exit code 0")
      co_return fail(Errc::invalid_argument, "certificate " + fs::path(file).filename().string() +
                                                 ": the file has none (certutil " + added + ")");
  }
  co_return Result<void>{};
}

}  // namespace troupe::sessions
