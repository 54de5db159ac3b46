import CanonicalJSON

#if canImport(Glibc)
  import Glibc
#endif

/// What the figures were measured on.
enum MachineFacts {
  static func read(folder: String) -> JSONObject {
    var facts: JSONObject = [:]
    var system = utsname()
    if uname(&system) == 0 {
      facts["kernel"] = .string(text(of: &system.release))
      facts["architecture"] = .string(text(of: &system.machine))
    }
    facts["processors"] = .integer(Int64(sysconf(CInt(_SC_NPROCESSORS_ONLN))))
    if let model = field("model name", in: "/proc/cpuinfo") { facts["processor"] = .string(model) }
    if let memory = field("MemTotal", in: "/proc/meminfo").flatMap({ Int64($0.prefix { $0.isNumber }) }) {
      facts["memory_mib"] = .integer(memory / 1024)
    }
    if let load = Input.text("/proc/loadavg")?.split(separator: " ").first {
      facts["load_at_start"] = .string(String(load))
    }
    facts["filesystem"] = .string(mount(of: folder))
    return facts
  }

  /// The value of a line `name: value` of a file of /proc.
  static func field(_ name: String, in path: String) -> String? {
    guard let text = Input.text(path) else { return nil }
    for line in text.split(separator: "\n") where line.hasPrefix(name) {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, parts[0].dropFirst(name.count).allSatisfy({ $0 == "\t" || $0 == " " }) else { continue }
      return String(parts[1].drop { $0 == " " || $0 == "\t" })
    }
    return nil
  }

  /// The device and type of the file system that holds a path: the longest mount point that begins it.
  private static func mount(of path: String) -> String {
    var best = (point: "", text: "unknown")
    for line in (Input.text("/proc/mounts") ?? "").split(separator: "\n") {
      let parts = line.split(separator: " ").map(String.init)
      guard parts.count > 2 else { continue }
      let point = parts[1]
      guard point == "/" || path == point || path.hasPrefix(point + "/"), point.utf8.count >= best.point.utf8.count
      else { continue }
      best = (point, "\(parts[0]) \(parts[2])")
    }
    return best.text
  }

  private static func text<T>(of tuple: inout T) -> String {
    withUnsafeBytes(of: &tuple) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

/// The memory of a process, in MiB.
struct MemoryUse {
  /// All of it that is in memory, pages of mapped files included.
  let resident: Double
  /// Its own memory.
  let anonymous: Double
  /// Pages of files, above all of the log, which the kernel can drop.
  let file: Double
  /// The most that was resident at a time.
  let peak: Double

  /// What the process uses now.
  static func of(_ process: pid_t) throws(BenchFailure) -> MemoryUse {
    let path = "/proc/\(process)/status"
    func mebibytes(_ name: String) throws(BenchFailure) -> Double {
      guard let text = MachineFacts.field(name, in: path), let kibibytes = Double(text.prefix { $0.isNumber }) else {
        throw BenchFailure("there is no \(name) in \(path)")
      }
      return kibibytes / 1024
    }
    return MemoryUse(
      resident: try mebibytes("VmRSS"), anonymous: try mebibytes("RssAnon"), file: try mebibytes("RssFile"),
      peak: try mebibytes("VmHWM"))
  }

  var json: JSON {
    [
      "rss_mib": .number(resident.rounded()), "anonymous_mib": .number(anonymous.rounded()),
      "file_mib": .number(file.rounded()), "peak_mib": .number(peak.rounded()),
    ]
  }
}
