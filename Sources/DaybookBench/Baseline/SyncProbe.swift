#if canImport(Glibc)
  import Glibc
#endif

/// What the disk itself can do: 4 KiB written and synced, again and again, by one thread.
///
/// Appending makes the file system sync the file's new size too; writing over what is there is what a database does
/// with a log file or pages that it has already.
struct SyncProbe {
  let folder: String
  let seconds: Double

  func run(into report: inout Report) throws(BenchFailure) {
    report.add(try measure("append 4 KiB + fdatasync", isAppending: true))
    report.add(try measure("overwrite 4 KiB + fdatasync", isAppending: false))
  }

  private func measure(_ name: String, isAppending: Bool) throws(BenchFailure) -> Figure {
    Progress.say(name)
    let path = folder + "/probe"
    let descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system("can't write \(path)") }
    defer {
      close(descriptor)
      unlink(path)
    }
    let block = [UInt8](repeating: 0x42, count: 4096)
    let blocks = 4096
    if !isAppending {
      for index in 0..<blocks where pwrite(descriptor, block, block.count, index * block.count) != block.count {
        throw .system("can't write \(path)")
      }
      guard fsync(descriptor) == 0 else { throw .system("can't sync \(path)") }
    }
    var latencies: [UInt32] = []
    let start = Clock.nanoseconds
    let end = start + UInt64(seconds * 1e9)
    var now = start
    while now < end {
      let index = isAppending ? latencies.count : latencies.count % blocks
      guard pwrite(descriptor, block, block.count, index * block.count) == block.count, fdatasync(descriptor) == 0
      else {
        throw .system("can't write \(path)")
      }
      let after = Clock.nanoseconds
      latencies.append(UInt32(clamping: (after - now) / 1000))
      now = after
    }
    var figure = Figure(.fdatasync, name, Double(latencies.count) / (Double(now - start) / 1e9), "/s")
    figure.latency = Latency(latencies)
    return figure
  }
}
