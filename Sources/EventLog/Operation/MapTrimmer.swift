import Files

#if canImport(Glibc)
  import Glibc
#endif

/// Gives the map's resident pages back when there are many: they stay in the system's page cache, but no longer count
/// as this process's memory.
///
/// Dropping the mapping of a page of a shared read-only file mapping is safe at
/// any time: the next access maps it again.
enum MapTrimmer {
  /// Resident file pages above which it acts, in bytes.
  static let threshold = 96 << 20

  /// Trims the mapping of a file where the process has more file pages resident than
  /// the threshold. Answers whether it did.
  @discardableResult
  static func trimIfNeeded(file: String) -> Bool {
    guard let statm = try? FileSystem.read("/proc/self/statm") else { return false }
    let fields = String(decoding: statm, as: UTF8.self).split(separator: " ")
    guard fields.count > 2, let shared = Int(fields[2]), shared * sysconf(Int32(_SC_PAGESIZE)) > threshold else {
      return false
    }
    return trim(file: file)
  }

  static func trim(file: String) -> Bool {
    // Best effort: without /proc nothing is trimmed and nothing else changes.
    guard let maps = try? FileSystem.read("/proc/self/maps") else { return false }
    var trimmed = false
    for line in String(decoding: maps, as: UTF8.self).split(separator: "\n") where line.hasSuffix(file) {
      let range = line.prefix { $0 != " " }.split(separator: "-")
      guard range.count == 2, let start = UInt(range[0], radix: 16), let end = UInt(range[1], radix: 16), start < end,
        let address = UnsafeMutableRawPointer(bitPattern: start)
      else { continue }
      trimmed = madvise(address, Int(end - start), MADV_DONTNEED) == 0 || trimmed
    }
    return trimmed
  }
}
