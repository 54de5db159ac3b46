import Files
import FuzzTargets

#if canImport(Glibc)
  import Glibc
#endif

/// The target that the environment names.
private let target: FuzzTarget = {
  let name = environment("DAYBOOK_FUZZ_TARGET") ?? ""
  guard let kind = FuzzTarget.Kind(rawValue: name) else {
    let known = FuzzTarget.Kind.allCases.map(\.rawValue).joined(separator: ", ")
    end("DAYBOOK_FUZZ_TARGET must be one of \(known), not \(name)")
  }
  do {
    return try FuzzTarget.make(kind, repository: environment("DAYBOOK_HOME") ?? ".")
  } catch {
    end("the seeds of \(name) can't be made: \(error)")
  }
}()

/// Called by libFuzzer before anything else. Where DAYBOOK_FUZZ_SEEDS names a folder, writes the seeds and the words of
/// the target there, prints how long an input may be, and ends.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
  _ argumentCount: UnsafeMutablePointer<CInt>?,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>?
) -> CInt {
  let target = target
  guard let folder = environment("DAYBOOK_FUZZ_SEEDS") else { return 0 }
  do {
    try FileSystem<FileError>.makeFolder("\(folder)/seeds")
    for (index, seed) in target.seeds.enumerated() {
      try FileSystem<FileError>.replace("\(folder)/seeds/\(index)", with: seed, syncing: false)
    }
    try FileSystem<FileError>.replace("\(folder)/words", with: Array(dictionary.utf8), syncing: false)
  } catch {
    end("the seeds can't be written: \(error)")
  }
  print(target.maximumLength)
  exit(0)
}

/// Called by libFuzzer for each input. A promise that is broken ends the process by a signal, as a trap does.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  do {
    // What isn't well formed leads to others that are, so it is kept as well.
    _ = try target.check(Array(UnsafeBufferPointer(start: start, count: count)))
  } catch {
    say("\nbroken promise: \(error)")
    abort()
  }
  return 0
}

/// The words of the target as libFuzzer reads them.
private var dictionary: String {
  target.words.map { word in
    let bytes = word.utf8.map { byte in
      let digits = String(byte, radix: 16)
      return "\\x" + (digits.count == 1 ? "0" : "") + digits
    }
    return "\"\(bytes.joined())\"\n"
  }.joined()
}

private func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

private func end(_ message: String) -> Never {
  say("error: \(message)")
  exit(2)
}

private func say(_ line: String) {
  let bytes = Array("\(line)\n".utf8)
  _ = write(STDERR_FILENO, bytes, bytes.count)
}
