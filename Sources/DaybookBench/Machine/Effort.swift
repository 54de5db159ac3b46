#if canImport(Glibc)
  import Glibc
#endif

/// What a stretch of work has cost the machine.
struct Effort {
  /// Processor time of the server, in seconds.
  var server = 0.0
  /// Processor time of its PostgreSQL, in seconds; 0 where it has none of its own.
  var postgres = 0.0
  /// What the disk was given to write, in bytes and in requests, by whomever; nil where the kernel doesn't say.
  var disk: DiskWrites?

  /// What has been used until now.
  static func now(of server: DaybookProcess, on folder: String) -> Effort {
    Effort(
      server: ProcessorTime.of(server.processID), postgres: server.postgres.map { ProcessorTime.ofFamily($0) } ?? 0,
      disk: DiskWrites.now(on: folder))
  }

  /// What was used since then.
  func since(_ before: Effort) -> Effort {
    var disk = self.disk
    if let earlier = before.disk {
      disk?.bytes -= earlier.bytes
      disk?.requests -= earlier.requests
    }
    return Effort(server: server - before.server, postgres: postgres - before.postgres, disk: disk)
  }

  static func + (one: Effort, other: Effort) -> Effort {
    var disk = one.disk ?? other.disk
    if let first = one.disk, let second = other.disk {
      disk = DiskWrites(bytes: first.bytes + second.bytes, requests: first.requests + second.requests)
    }
    return Effort(server: one.server + other.server, postgres: one.postgres + other.postgres, disk: disk)
  }
}

/// What a disk was given to write since it is there, as it counts by itself.
struct DiskWrites {
  var bytes: Double
  var requests: Double

  /// The disk that a folder lies on; nil where the kernel doesn't tell of it.
  static func now(on folder: String) -> DiskWrites? {
    var status = stat()
    guard stat(folder, &status) == 0 else { return nil }
    // As the macros of sys/sysmacros.h take a device's number apart.
    let device = UInt64(status.st_dev)
    let major = (device >> 8 & 0xFFF) | (device >> 32 & ~0xFFF)
    let minor = (device & 0xFF) | (device >> 12 & ~0xFF)
    let path = "/sys/dev/block/\(major):\(minor)/stat"
    let fields = (Input.text(path) ?? "").split(whereSeparator: { $0 == " " || $0 == "\n" }).compactMap { Double($0) }
    guard fields.count > 6 else { return nil }
    return DiskWrites(bytes: fields[6] * 512, requests: fields[4])
  }
}

/// Processor time, in seconds.
enum ProcessorTime {
  /// Of a process with all its threads, as it lives; 0 where it is gone.
  static func of(_ process: pid_t) -> Double { read(process).own }

  /// Of a process, of those that it has begun and that live, and of those that it has waited for.
  static func ofFamily(_ process: pid_t) -> Double {
    let children = (Input.text("/proc/\(process)/task/\(process)/children") ?? "").split(separator: " ")
      .compactMap { pid_t($0) }
    let parent = read(process)
    return parent.own + parent.ended + children.reduce(0) { $0 + read($1).own }
  }

  private static func read(_ process: pid_t) -> (own: Double, ended: Double) {
    // The name, which may hold anything, stands in parentheses.
    guard let text = Input.text("/proc/\(process)/stat"), let end = text.lastIndex(of: ")") else { return (0, 0) }
    let fields = text[text.index(after: end)...].split(separator: " ").map { Double($0) ?? 0 }
    guard fields.count > 14 else { return (0, 0) }
    let ticks = Double(sysconf(CInt(_SC_CLK_TCK)))
    return ((fields[11] + fields[12]) / ticks, (fields[13] + fields[14]) / ticks)
  }
}
