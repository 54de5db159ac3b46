import BasicTypes
import CanonicalJSON
import Crypto
import Files

extension Catalog {
  /// Loads every `*.yaml` of a folder, in the order of their names, and those of its folder `platforms`, and checks
  /// them one by one and against each other.
  ///
  /// - Parameters:
  ///   - folder: the folder; its last path component names the files in what is reported (`schema/pipeline.yaml:12`).
  ///   - knownBehaviours: the behaviours that the program has; nil leaves their names unchecked.
  /// - Throws: a `CatalogError` with every mistake of every file.
  public static func load(folder: String, knownBehaviours: Set<String>? = nil) throws(CatalogError) -> Catalog {
    let label = FileSystem<FileError>.absolute(folder).split(separator: "/").last.map(String.init) ?? folder
    var files: [(name: String, text: String)] = []
    var problems: [CatalogProblem] = []
    for name in try names(in: folder) + platformNames(in: folder) {
      do {
        guard let bytes = try FileSystem<FileError>.read("\(folder)/\(name)") else {
          problems.append(CatalogProblem(file: "\(label)/\(name)", line: 1, message: "the file is gone"))
          continue
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
          problems.append(CatalogProblem(file: "\(label)/\(name)", line: 1, message: "the file is not UTF-8"))
          continue
        }
        files.append((name, text))
      } catch {
        problems.append(
          CatalogProblem(
            file: "\(label)/\(name)", line: 1, message: "the file can't be read: \(error)"))
      }
    }
    if files.isEmpty, problems.isEmpty {
      problems.append(CatalogProblem(file: label, line: 1, message: "the folder has no .yaml file"))
    }
    return try load(files: files, label: label, knownBehaviours: knownBehaviours, problems: problems)
  }

  private static let platformFolder = "platforms/"

  private static func names(in folder: String) throws(CatalogError) -> [String] {
    let found: [String]?
    do {
      found = try FileSystem<FileError>.names(in: folder)
    } catch {
      throw CatalogError(problems: [
        CatalogProblem(file: folder, line: 1, message: "the folder can't be read: \(error)")
      ])
    }
    guard let found else {
      throw CatalogError(problems: [
        CatalogProblem(file: folder, line: 1, message: "the folder can't be read: there is none of this name")
      ])
    }
    return
      found
      .filter { $0.hasSuffix(".yaml") && !$0.hasPrefix(".") }
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  private static func platformNames(in folder: String) throws(CatalogError) -> [String] {
    guard FileSystem<FileError>.isFolder("\(folder)/\(platformFolder)") else { return [] }
    return try names(in: "\(folder)/\(platformFolder)").map { platformFolder + $0 }
  }

  /// As ``load(folder:knownBehaviours:)``, of texts that are in memory already, those of platforms named
  /// `platforms/NAME.yaml`; `label` stands before each name in what is reported.
  public static func load(
    files: [(name: String, text: String)], label: String, knownBehaviours: Set<String>? = nil
  ) throws(CatalogError) -> Catalog {
    try load(files: files, label: label, knownBehaviours: knownBehaviours, problems: [])
  }

  /// As ``load(files:label:knownBehaviours:)``, of what a log has recorded: where an older program wrote it, a free
  /// text may stand for recipients.
  public static func load(
    recorded files: [(name: String, text: String)], label: String
  ) throws(CatalogError) -> Catalog {
    try load(files: files, label: label, knownBehaviours: nil, isRecorded: true, problems: [])
  }

  /// Reads one file of the folder `platforms` beside the types of this catalog.
  /// - Throws: a `CatalogError` with every mistake of the file.
  package func readPlatform(_ text: String, named name: String, label: String) throws(CatalogError) -> Platform {
    let file = "\(label)/\(Catalog.platformFolder)\(name)"
    let root = try SourceNode.parse(text, file: file)
    var reader = PlatformReader(file: file, types: types)
    guard let platform = reader.read(root, fileName: name), reader.problems.isEmpty else {
      throw CatalogError(problems: reader.problems)
    }
    return platform
  }

  private static func load(
    files: [(name: String, text: String)], label: String, knownBehaviours: Set<String>?, isRecorded: Bool = false,
    problems: [CatalogProblem]
  ) throws(CatalogError) -> Catalog {
    var problems = problems
    var source = JSONObject()
    var types: [ResourceType] = []
    var readers: [(reader: TypeReader, type: ResourceType?)] = []
    var platformFiles: [(name: String, root: SourceNode)] = []
    for (name, text) in files {
      let file = "\(label)/\(name)"
      let root: SourceNode
      do {
        root = try SourceNode.parse(text, file: file)
      } catch {
        problems += error.problems
        continue
      }
      source[name] = root.json
      guard !name.hasPrefix(platformFolder) else {
        platformFiles.append((name, root))
        continue
      }
      var reader = TypeReader(file: file, isRecorded: isRecorded)
      let type = reader.read(root, fileName: name)
      if let type { types.append(type) }
      readers.append((reader, type))
    }
    for (reader, _) in readers { problems += reader.problems }
    problems += CrossCheck(readers: readers, types: types, knownBehaviours: knownBehaviours).problems()
    var platforms: [Platform] = []
    for (name, root) in platformFiles {
      var reader = PlatformReader(file: "\(label)/\(name)", types: types)
      if let platform = reader.read(root, fileName: String(name.dropFirst(platformFolder.count))) {
        platforms.append(platform)
      }
      problems += reader.problems
    }
    guard problems.isEmpty else {
      throw CatalogError(
        problems: problems.sorted { left, right in
          left.file == right.file ? left.line < right.line : left.file.utf8.lexicographicallyPrecedes(right.file.utf8)
        })
    }
    let revision = Hex.encode(Array(SHA256.hash(data: source.canonicalBytes)))
    return Catalog(types: types, platforms: platforms, revision: revision, source: source)
  }
}

/// What only all files together can show to be wrong.
private struct CrossCheck {
  let readers: [(reader: TypeReader, type: ResourceType?)]
  let types: [ResourceType]
  let knownBehaviours: Set<String>?

  func problems() -> [CatalogProblem] {
    var problems: [CatalogProblem] = []
    var names: [String: String] = [:]
    var plurals: [String: String] = [:]
    var constraints: [String: String] = [:]
    for (reader, type) in readers {
      guard let type else { continue }
      func claim(_ name: String, as what: String, key: String, in taken: inout [String: String]) {
        if let other = taken[name] {
          let line = reader.lines[key] ?? 1
          problems.append(
            CatalogProblem(file: reader.file, line: line, message: "\(what) '\(name)' is in \(other) already"))
        } else {
          taken[name] = reader.file
        }
      }
      claim(type.name, as: "resource", key: "resource", in: &names)
      claim(type.plural, as: "plural", key: "plural", in: &plurals)
      if type.versionTable != nil {
        claim(VersionTable.name(of: type), as: "read model", key: "versions", in: &plurals)
      }
      for constraint in type.unique {
        claim(constraint.name, as: "unique constraint", key: "unique.\(constraint.name)", in: &constraints)
      }
    }
    let platforms = types.first { $0.name == "organization" }?.field("platform")?.values ?? []
    for (reader, _) in readers {
      for mention in reader.mentions {
        let known: [String]
        let what: String
        switch mention.kind {
        case .resourceType: (known, what) = (types.map(\.name), "resource type")
        case .platform: (known, what) = (platforms, "platform")
        case .behaviour:
          guard let knownBehaviours else { continue }
          (known, what) = (knownBehaviours.sorted(), "behaviour")
        }
        if known.contains(mention.name) { continue }
        let hint = Suggestion.hint(for: mention.name, in: known)
        problems.append(
          CatalogProblem(
            file: reader.file, line: mention.line, message: "\(mention.place): unknown \(what) '\(mention.name)'\(hint)"
          ))
      }
      let needsOrganizations = reader.organization != .none && !types.contains { $0.name == "organization" }
      if needsOrganizations {
        problems.append(
          CatalogProblem(
            file: reader.file, line: reader.lines["organization"] ?? 1,
            message: "'organization': there is no resource type 'organization' to belong to"))
      }
    }
    return problems
  }
}
