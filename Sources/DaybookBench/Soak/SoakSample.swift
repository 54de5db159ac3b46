#if canImport(Glibc)
  import Glibc
#endif

/// What a server takes at one moment.
struct SoakSample {
  /// Bytes of anonymous memory: what is the process's own, without pages of files.
  let memory: Int
  let descriptors: Int
  let threads: Int
  var lag = 0
  var events = 0
  /// The 99th percentile, in microseconds.
  var latency: UInt32 = 0
  var rate = 0.0

  /// Reads it from /proc.
  static func read(_ process: pid_t) throws(BenchFailure) -> SoakSample {
    guard let status = Input.text("/proc/\(process)/status"), let memory = number("RssAnon", in: status),
      let threads = number("Threads", in: status)
    else { throw BenchFailure("the server (process \(process)) is gone") }
    guard let folder = opendir("/proc/\(process)/fd") else { throw .system("can't read the server's descriptors") }
    defer { closedir(folder) }
    var count = 0
    while readdir(folder) != nil { count += 1 }
    return SoakSample(memory: memory << 10, descriptors: count - 2, threads: threads)
  }

  private static func number(_ name: String, in status: String) -> Int? {
    status.split(separator: "\n").first { $0.hasPrefix("\(name):") }
      .flatMap { $0.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first }.flatMap { Int($0) }
  }

  mutating func take(_ latencies: [UInt32], seconds: Double) {
    let sorted = latencies.sorted()
    if !sorted.isEmpty { latency = sorted[min(sorted.count - 1, sorted.count * 99 / 100)] }
    rate = Double(latencies.count) / seconds
  }

  static let heading = " minute  commands/s   p99 ms      events  memory MiB  descriptors  threads   behind\n"

  func line(minutes: Double) -> String {
    let words: [(String, Int)] = [
      ("\(tenths(minutes))", 7), ("\(Int(rate))", 12), (tenths(Double(latency) / 1000), 9), ("\(events)", 12),
      ("\(memory >> 20)", 12), ("\(descriptors)", 13), ("\(threads)", 9), ("\(lag)", 9),
    ]
    return words.map { String(repeating: " ", count: max(0, $1 - $0.count)) + $0 }.joined() + "\n"
  }

  private func tenths(_ value: Double) -> String {
    let whole = Int((value * 10).rounded())
    return "\(whole / 10).\(whole % 10)"
  }
}
