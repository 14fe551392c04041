#include "sessions/zip_archive.h"

#include <zip.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string_view>

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kPiece = std::size_t{64} << 10;
constexpr std::uint64_t kRatioFrom = std::uint64_t{1} << 20;
constexpr std::size_t kNameBytesMax = 1'024;
constexpr std::string_view kEmptyArchive("PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using Archive = std::unique_ptr<zip_t, Discard>;
using ArchiveFile = std::unique_ptr<zip_file_t, Discard>;

Error wrong(std::string message) {
  return fail(Errc::invalid_argument, "zip archive: " + std::move(message), "file");
}

std::string text_of(zip_error_t& error) {
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

Result<Archive> open_archive(const std::string& bytes) {
  if (bytes.empty()) return wrong("no bytes");  // libzip takes them for an empty archive
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  if (!source) return wrong(text_of(error));
  zip_t* archive = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
  if (!archive) {
    zip_source_free(source);
    return wrong(text_of(error));
  }
  zip_error_fini(&error);
  return Archive(archive);
}

// Every part a plain name: no root, no `..`, no drive, no backslash that another system would read
// as a separator.
bool is_safe_name(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax || name.front() == '/') return false;
  if (name.find('\\') != std::string_view::npos || name.find('\0') != std::string_view::npos)
    return false;
  while (!name.empty()) {
    const auto end = std::min(name.find('/'), name.size());
    const std::string_view part = name.substr(0, end);
    if (part.empty() || part == "." || part == "..") return false;
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return true;
}

struct Entry {
  std::string name;
  std::uint64_t size = 0;
  std::uint64_t packed = 0;
  bool folder = false;
};

Result<Entry> entry_at(zip_t* archive, zip_uint64_t index) {
  zip_stat_t stat;
  zip_stat_init(&stat);
  if (zip_stat_index(archive, index, 0, &stat) != 0 || !(stat.valid & ZIP_STAT_NAME) ||
      !(stat.valid & ZIP_STAT_SIZE))
    return wrong("entry " + std::to_string(index) + " has no name or size");
  Entry entry{.name = stat.name, .size = stat.size, .packed = stat.comp_size};
  const std::string shown = "'" + entry.name.substr(0, 128) + "'";
  entry.folder = entry.name.ends_with('/');
  if (!is_safe_name(entry.name)) return wrong(shown + " leads out of the archive's folder");
  if ((stat.valid & ZIP_STAT_ENCRYPTION_METHOD) && stat.encryption_method != ZIP_EM_NONE)
    return wrong(shown + " is encrypted");
  return entry;
}

// All entries, when their sizes as declared are within the limits.
Result<std::vector<Entry>> entries_of(zip_t* archive, const ZipLimits& limits) {
  const auto count = static_cast<std::uint64_t>(zip_get_num_entries(archive, 0));
  if (count > limits.entries)
    return wrong(std::to_string(count) + " entries exceed " + std::to_string(limits.entries));
  std::vector<Entry> entries;
  std::uint64_t total = 0;
  for (zip_uint64_t i = 0; i < count; ++i) {
    TRY(auto entry, entry_at(archive, i));
    total += std::min(entry.size, limits.unpacked_bytes + 1);
    if (total > limits.unpacked_bytes)
      return wrong("more than " + std::to_string(limits.unpacked_bytes) + " bytes unpacked");
    if (entry.size > kRatioFrom &&
        entry.size / std::max<std::uint64_t>(entry.packed, 1) > limits.ratio)
      return wrong("'" + entry.name.substr(0, 128) + "' grows more than " +
                   std::to_string(limits.ratio) + " times");
    entries.push_back(std::move(entry));
  }
  return entries;
}

Error not_written(const fs::path& path) {
  return fail(Errc::storage_failed, path.string() + ": cannot be written", "data_dir",
              "free disk space, or mend the permissions of data_dir");
}

// The declared size is a claim: what comes is counted again.
Result<void> write_entry(zip_t* archive, zip_uint64_t index, const Entry& entry,
                         const fs::path& path) {
  const ArchiveFile file(zip_fopen_index(archive, index, 0));
  if (!file) return wrong("'" + entry.name + "': " + zip_strerror(archive));
  std::error_code ignored;
  if (fs::exists(path, ignored)) return wrong("'" + entry.name + "' is there twice");
  std::ofstream out(path, std::ios::binary);
  if (!out) return not_written(path);
  std::vector<char> piece(kPiece);
  std::uint64_t written = 0;
  while (true) {
    const zip_int64_t count = zip_fread(file.get(), piece.data(), piece.size());
    if (count < 0) return wrong("'" + entry.name + "' is damaged");
    if (count == 0) break;
    written += static_cast<std::uint64_t>(count);
    if (written > entry.size) return wrong("'" + entry.name + "' is larger than it says");
    out.write(piece.data(), count);
  }
  out.close();
  if (!out) return not_written(path);
  return {};
}

}  // namespace

Result<bool> zip_has(const std::string& archive, const std::string& name) {
  TRY(const Archive opened, open_archive(archive));
  return zip_name_locate(opened.get(), name.c_str(), 0) >= 0;
}

Result<void> unpack_zip(const std::string& bytes, const std::string& folder, ZipLimits limits) {
  TRY(const Archive archive, open_archive(bytes));
  TRY(const auto entries, entries_of(archive.get(), limits));
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return not_written(folder);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const fs::path path = fs::path(folder) / entries[i].name;
    fs::create_directories(entries[i].folder ? path : path.parent_path(), error);
    if (error) return wrong("'" + entries[i].name.substr(0, 128) + "': " + error.message());
    if (!entries[i].folder) TRY_VOID(write_entry(archive.get(), i, entries[i], path));
  }
  return {};
}

Result<void> pack_zip(const std::vector<ZipSource>& files, const std::string& path) {
  if (files.empty()) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << kEmptyArchive;
    out.close();
    if (!out) return not_written(path);
    return {};
  }
  int code = 0;
  Archive archive(zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
  if (!archive) return not_written(path);
  for (const ZipSource& file : files) {
    zip_source_t* source = zip_source_file(archive.get(), file.path.c_str(), 0, -1);
    const zip_int64_t index = source ? zip_file_add(archive.get(), file.name.c_str(), source,
                                                    ZIP_FL_ENC_UTF_8 | ZIP_FL_OVERWRITE)
                                     : -1;
    if (index < 0) {
      if (source) zip_source_free(source);
      return fail(Errc::storage_failed, file.path + ": " + zip_strerror(archive.get()), "data_dir");
    }
    const auto place = static_cast<zip_uint64_t>(index);
    const auto seconds = to_unix_ms(file.modified_at) / 1'000;
    (void)zip_file_set_mtime(archive.get(), place, static_cast<time_t>(seconds), 0);
  }
  if (zip_close(archive.get()) != 0)
    return fail(Errc::storage_failed, path + ": " + zip_strerror(archive.get()), "data_dir");
  (void)archive.release();  // closed above
  return {};
}

}  // namespace troupe::sessions
