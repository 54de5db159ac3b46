#if canImport(Glibc)
  import Glibc
#endif

/// What the disk itself can do: 4 KiB appended and synced, again and again, by one thread.
struct SyncProbe {
  let folder: String
  let seconds: Double

  func run(into report: inout Report) throws(BenchFailure) {
    Progress.say("fdatasync of 4 KiB appended")
    let path = folder + "/probe"
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0o600)
    guard descriptor >= 0 else { throw .system("can't write \(path)") }
    defer {
      close(descriptor)
      unlink(path)
    }
    let block = [UInt8](repeating: 0x42, count: 4096)
    var latencies: [UInt32] = []
    let start = Clock.nanoseconds
    let end = start + UInt64(seconds * 1e9)
    var now = start
    while now < end {
      guard write(descriptor, block, block.count) == block.count, fdatasync(descriptor) == 0 else {
        throw .system("can't write \(path)")
      }
      let after = Clock.nanoseconds
      latencies.append(UInt32(clamping: (after - now) / 1000))
      now = after
    }
    var figure = Figure(
      .fdatasync, "append 4 KiB + fdatasync", Double(latencies.count) / (Double(now - start) / 1e9), "/s")
    figure.latency = Latency(latencies)
    report.add(figure)
  }
}
