import Files

#if canImport(Glibc)
  import Glibc
#endif

/// What the system tells of this process (proc(5)). What it doesn't tell is nil.
struct ProcessFigures {
  let cpuSeconds: Double?
  let residentBytes: Double?
  let virtualBytes: Double?
  let threads: Double?
  let openFiles: Double?
  let maximumFiles: Double?
  /// Seconds since 1970.
  let startTime: Double?

  /// What it tells now.
  static func now() -> ProcessFigures {
    // The name may hold spaces and parentheses; the fields behind it don't. The first one there is the third.
    let line = FileSystem<FileError>.text("/proc/self/stat") ?? ""
    let fields = line.lastIndex(of: ")").map { line[$0...].split(separator: " ").dropFirst().map { Double($0) } } ?? []
    func field(_ number: Int) -> Double? { fields.indices.contains(number - 3) ? fields[number - 3] : nil }
    let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
    let booted = (FileSystem<FileError>.text("/proc/stat") ?? "").split(separator: "\n").first {
      $0.hasPrefix("btime ")
    }
    .flatMap { Double($0.dropFirst(6)) }
    return ProcessFigures(
      cpuSeconds: cpuTime(), residentBytes: field(24).map { $0 * Double(sysconf(Int32(_SC_PAGESIZE))) },
      virtualBytes: field(23), threads: field(20), openFiles: countOpenFiles(), maximumFiles: fileLimit(),
      startTime: booted.flatMap { booted in field(22).map { booted + $0 / ticks } })
  }

  private static func cpuTime() -> Double? {
    var time = timespec()
    guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return nil }
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  private static func fileLimit() -> Double? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
    return Double(limit.rlim_cur)
  }

  private static func countOpenFiles() -> Double? {
    guard let folder = opendir("/proc/self/fd") else { return nil }
    defer { closedir(folder) }
    // Not the two dots, nor the descriptor that looks.
    var count = -3.0
    while readdir(folder) != nil { count += 1 }
    return count
  }
}
