import Catalog

#if canImport(Glibc)
  import Glibc
#endif

/// The generated files of `projections/`: what differs from the catalog, and the writing of it.
package enum GeneratedFolder {
  /// What is wrong with one file.
  package struct Difference: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
      /// There is no such file.
      case missing
      /// It isn't what follows from the catalog, first in this line.
      case differs(line: Int)
      /// Its resource type, or the type's versions, are no longer in the catalog: somebody has to delete it, with what
      /// is written in it by hand.
      case orphaned
    }

    /// The file's name.
    package let file: String
    package let kind: Kind

    /// Whether ``GeneratedFolder/write(_:catalog:)`` can mend it.
    package var isMendable: Bool { kind != .orphaned }

    /// What is wrong, in a sentence.
    package var problem: String {
      switch kind {
      case .missing: "\(file) is missing; its resource type is in the catalog."
      case .differs(let line): "\(file) is not what follows from the catalog, first in line \(line)."
      case .orphaned: "\(file) was generated from a resource type that the catalog no longer has; delete it."
      }
    }
  }

  /// What differs from the catalog, in the order of the files' names; nothing where the folder is as it has to be.
  /// - Throws: ``ProjectionError`` `definition` where the folder or a file can't be read.
  package static func differences(_ folder: String, catalog: Catalog) throws -> [Difference] {
    let texts = ReadModelText.all(of: catalog)
    let known = Set(texts.map(\.file))
    let present = try ProjectionFolder.names(in: folder).filter { $0.hasSuffix(".sql") }
    var differences: [Difference] = []
    for text in texts {
      guard present.contains(text.file) else {
        differences.append(Difference(file: text.file, kind: .missing))
        continue
      }
      let content = String(decoding: try ProjectionFolder.read("\(folder)/\(text.file)"), as: UTF8.self)
      let wanted = text.merged(with: content)
      if wanted != content {
        differences.append(Difference(file: text.file, kind: .differs(line: line(content, wanted))))
      }
    }
    for file in present where !known.contains(file) {
      let content = String(decoding: try ProjectionFolder.read("\(folder)/\(file)"), as: UTF8.self)
      let isGenerated =
        content.hasPrefix(ReadModelText.mark) || SQLText.lines(content).contains { $0.hasPrefix("-- from: ") }
      if isGenerated { differences.append(Difference(file: file, kind: .orphaned)) }
    }
    return differences.sorted { $0.file.utf8.lexicographicallyPrecedes($1.file.utf8) }
  }

  /// Writes every file that differs, keeps what is written by hand in it, and returns what differed; an orphaned file
  /// stays.
  /// - Throws: ``ProjectionError`` `definition` where the folder or a file can't be read or written.
  package static func write(_ folder: String, catalog: Catalog) throws -> [Difference] {
    let differences = try differences(folder, catalog: catalog)
    let texts = ReadModelText.all(of: catalog)
    for difference in differences {
      guard let text = texts.first(where: { $0.file == difference.file }) else { continue }
      let path = "\(folder)/\(text.file)"
      let present =
        difference.kind == .missing ? nil : String(decoding: try ProjectionFolder.read(path), as: UTF8.self)
      try write(Array(text.merged(with: present).utf8), to: path)
    }
    return differences
  }

  /// The first line in which two texts differ.
  private static func line(_ one: String, _ other: String) -> Int {
    let (left, right) = (Array(one.utf8), Array(other.utf8))
    let length = zip(left, right).prefix { $0 == $1 }.count
    return 1 + left.prefix(length).count { $0 == UInt8(ascii: "\n") }
  }

  /// Writes beside the file and puts it in its place, so that nobody reads half of it.
  private static func write(_ bytes: [UInt8], to path: String) throws {
    let draft = path + ".new"
    func failure() -> ProjectionError {
      ProjectionError(.definition, "\(path) can't be written: \(String(cString: strerror(errno)))")
    }
    let file = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw failure() }
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      guard count >= 0 || errno == EINTR else {
        let failure = failure()
        close(file)
        unlink(draft)
        throw failure
      }
      rest = rest.dropFirst(max(0, count))
    }
    guard close(file) == 0, rename(draft, path) == 0 else { throw failure() }
  }
}
