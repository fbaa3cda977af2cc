#include "espalier/registry/elf.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <elf.h>

namespace espalier {

namespace {

#if defined(__x86_64__)
constexpr uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr uint16_t kMachine = EM_AARCH64;
#elif defined(__riscv)
constexpr uint16_t kMachine = EM_RISCV;
#else
#error "add this machine's ELF number"
#endif

/// A copy of a `T` at `offset`, or nothing where the file ends before.
template <class T>
std::optional<T> read_at(std::string_view bytes, uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

Refusal truncated() { return {"E1002", "is truncated: the file ends before the parts that it announces"}; }

std::optional<Refusal> check_identity(const Elf64_Ehdr& file) {
  if (file.e_ident[EI_CLASS] != ELFCLASS64 || file.e_ident[EI_DATA] != ELFDATA2LSB || file.e_machine != kMachine)
    return Refusal{"E1002", fmt::format("is a library for another machine (ELF machine {}, this is {})", file.e_machine, kMachine)};
  if (file.e_type != ET_DYN) return Refusal{"E1002", "is not a shared library"};
  return std::nullopt;
}

/// Segments beyond the end would be a SIGBUS inside dlopen.
bool segments_are_complete(std::string_view bytes, const Elf64_Ehdr& file) {
  for (uint64_t i = 0; i < file.e_phnum; ++i) {
    const auto segment = read_at<Elf64_Phdr>(bytes, file.e_phoff + i * sizeof(Elf64_Phdr));
    if (!segment) return false;
    if (segment->p_type == PT_LOAD && (segment->p_offset > bytes.size() || bytes.size() - segment->p_offset < segment->p_filesz))
      return false;
  }
  return true;
}

/// Where the bytes of a loaded address stand in the file.
std::optional<uint64_t> file_offset(std::string_view bytes, const Elf64_Ehdr& file, uint64_t address) {
  for (uint64_t i = 0; i < file.e_phnum; ++i) {
    const auto segment = read_at<Elf64_Phdr>(bytes, file.e_phoff + i * sizeof(Elf64_Phdr));
    if (segment && segment->p_type == PT_LOAD && address >= segment->p_vaddr && address - segment->p_vaddr < segment->p_filesz)
      return segment->p_offset + (address - segment->p_vaddr);
  }
  return std::nullopt;
}

/// Address of a defined dynamic symbol.
std::optional<uint64_t> symbol_address(std::string_view bytes, const Elf64_Ehdr& file, std::string_view name) {
  for (uint64_t i = 0; i < file.e_shnum; ++i) {
    const auto section = read_at<Elf64_Shdr>(bytes, file.e_shoff + i * sizeof(Elf64_Shdr));
    if (!section || section->sh_type != SHT_DYNSYM) continue;
    const auto strings = read_at<Elf64_Shdr>(bytes, file.e_shoff + uint64_t{section->sh_link} * sizeof(Elf64_Shdr));
    if (!strings) continue;
    for (uint64_t k = 0; k < section->sh_size / sizeof(Elf64_Sym); ++k) {
      const auto symbol = read_at<Elf64_Sym>(bytes, section->sh_offset + k * sizeof(Elf64_Sym));
      if (!symbol) break;
      const uint64_t at = strings->sh_offset + symbol->st_name;
      if (symbol->st_shndx == SHN_UNDEF || at >= bytes.size()) continue;
      const std::string_view rest = bytes.substr(at, name.size() + 1);
      if (rest.size() == name.size() + 1 && rest.starts_with(name) && rest.back() == '\0') return symbol->st_value;
    }
  }
  return std::nullopt;
}

std::string version(uint32_t api) { return fmt::format("{}.{}", api / 100, api % 100); }

std::string text_of(const char* field, size_t size) { return {field, std::find(field, field + size, '\0')}; }

/// Fields that every version of the header has; later versions add at the end.
constexpr size_t kLeastHeader = offsetof(EspalierPluginHeader, fill) + sizeof(void*);

std::optional<Refusal> check_header(std::string_view bytes) {
  const auto header = read_at<EspalierPluginHeader>(bytes, 0);
  if (!header || std::string_view(header->magic, sizeof(header->magic)) != "ESPALIER")
    return Refusal{"E1001", "has a symbol espalier_plugin that is not a plugin header", "write it with ESPALIER_PLUGIN(plugin) {...}"};
  const uint32_t api = header->api;
  if (api / 100 != kApiVersion / 100 || api % 100 > kApiVersion % 100)
    return Refusal{"E1003", fmt::format("was built for espalier plugin API {}; this is {}; rebuild it", version(api), version(kApiVersion))};
  if (header->header_size < kLeastHeader || header->header_size > sizeof(EspalierPluginHeader))
    return Refusal{"E1003", fmt::format("has a plugin header of {} bytes; this espalier knows {} to {}; rebuild it",
                                        header->header_size, kLeastHeader, sizeof(EspalierPluginHeader))};
  const std::string build = text_of(header->build, sizeof(header->build));
  if (build != build_string())
    return Refusal{"E1004", fmt::format("was built as '{}'; this espalier is '{}'; rebuild it with the same compiler and flags",
                                        build, build_string())};
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> inspect_bytes(std::string_view bytes) {
  if (bytes.size() < SELFMAG || bytes.substr(0, SELFMAG) != ELFMAG) return Refusal{"E1002", "is not an ELF library"};
  const auto file = read_at<Elf64_Ehdr>(bytes, 0);
  if (!file) return truncated();
  if (auto refusal = check_identity(*file)) return refusal;
  const uint64_t sections_end = file->e_shoff + uint64_t{file->e_shnum} * sizeof(Elf64_Shdr);
  if (!segments_are_complete(bytes, *file) || file->e_shoff > bytes.size() || sections_end > bytes.size()) return truncated();
  const auto address = symbol_address(bytes, *file, "espalier_plugin");
  const auto offset = address ? file_offset(bytes, *file, *address) : std::nullopt;
  if (!address)
    return Refusal{"E1001", "is a library without the symbol espalier_plugin", "a plugin ends in ESPALIER_PLUGIN(plugin) {...}"};
  // Outside the file's bytes: written at run time, so not by the macro.
  return check_header(offset && *offset <= bytes.size() ? bytes.substr(*offset) : std::string_view{});
}

Problem to_problem(const Refusal& refusal, const std::string& file_name) {
  return {.code = refusal.code, .message = file_name + " " + refusal.text, .hint = refusal.hint};
}

}  // namespace espalier
