import CanonicalJSON
import Yams

/// A value of a YAML file with the line it starts on, anchors and merge keys resolved.
///
/// Plain scalars are read by the core schema of YAML 1.2: `true`, `false`, `null`, integers and decimals; everything
/// else (`yes`, `on`, `1.0.0`, dates) is text.
struct SourceNode {
  /// One key of a mapping, in the file's order.
  struct Member {
    let key: String
    let line: Int
    let value: SourceNode
  }

  /// What stands there.
  enum Content {
    case scalar(JSON)
    case sequence([SourceNode])
    case mapping([Member])
  }

  let line: Int
  let content: Content

  /// The value without its lines and order.
  var json: JSON {
    switch content {
    case .scalar(let value): value
    case .sequence(let elements): .array(elements.map(\.json))
    case .mapping(let members): .object(JSONObject(members: members.map { (key: $0.key, value: $0.value.json) }))
    }
  }

  /// Parses one file of one document.
  ///
  /// - Throws: `CatalogProblem`s of `file`: what isn't YAML, keys that a mapping has twice, keys that aren't text.
  static func parse(_ text: String, file: String) throws(CatalogError) -> SourceNode {
    var root: Node?
    do {
      root = try Parser(yaml: text, encoding: .utf8).singleRoot()
    } catch let error as YamlError {
      throw CatalogError(problems: [problem(error, file: file, text: text)])
    } catch {
      throw CatalogError(problems: [CatalogProblem(file: file, line: 1, message: "is not YAML: \(error)")])
    }
    guard let root else {
      throw CatalogError(problems: [CatalogProblem(file: file, line: 1, message: "the file is empty")])
    }
    var problems: [CatalogProblem] = []
    let node = convert(root, file: file, problems: &problems)
    if !problems.isEmpty { throw CatalogError(problems: problems) }
    return node
  }

  private static func problem(_ error: YamlError, file: String, text: String) -> CatalogProblem {
    switch error {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      let before = context.map { "\($0.text): " } ?? ""
      return CatalogProblem(file: file, line: mark.line, message: "is not YAML: \(before)\(problem)")
    case .duplicatedKeysInMapping(let keys, let context):
      let names = keys.sorted().map { "'\($0)'" }.joined(separator: ", ")
      return CatalogProblem(file: file, line: context.mark.line, message: "duplicate key \(names) in one mapping")
    case .reader(let problem, let offset, _, _):
      let line = 1 + text.prefix(offset ?? 0).utf8.count { $0 == UInt8(ascii: "\n") }
      return CatalogProblem(file: file, line: line, message: "is not YAML: \(problem)")
    default:
      return CatalogProblem(file: file, line: 1, message: "is not YAML: \(error)")
    }
  }

  private static func convert(_ node: Node, file: String, problems: inout [CatalogProblem]) -> SourceNode {
    let line = node.mark?.line ?? 1
    switch node {
    case .scalar(let scalar):
      let isPlain = scalar.style == .plain
      return SourceNode(line: line, content: .scalar(isPlain ? plain(scalar.string) : .string(scalar.string)))
    case .sequence(let sequence):
      return SourceNode(
        line: line, content: .sequence(sequence.map { convert($0, file: file, problems: &problems) }))
    case .mapping(let mapping):
      return SourceNode(line: line, content: .mapping(members(of: mapping, file: file, problems: &problems)))
    case .alias:
      problems.append(CatalogProblem(file: file, line: line, message: "an alias that leads nowhere"))
      return SourceNode(line: line, content: .scalar(.null))
    }
  }

  /// The keys of a mapping: its own, then those that `<<` merges in and that it hasn't itself (of several merged
  /// mappings the first wins).
  private static func members(
    of mapping: Node.Mapping, file: String, problems: inout [CatalogProblem]
  ) -> [Member] {
    var own: [Member] = []
    var merged: [Member] = []
    for (keyNode, valueNode) in mapping {
      let line = keyNode.mark?.line ?? 1
      guard case .scalar(let scalar) = keyNode else {
        problems.append(CatalogProblem(file: file, line: line, message: "a key that is not text"))
        continue
      }
      let value = convert(valueNode, file: file, problems: &problems)
      guard scalar.string == "<<", scalar.style == .plain else {
        own.append(Member(key: scalar.string, line: line, value: value))
        continue
      }
      switch value.content {
      case .mapping(let members): merged += members
      case .sequence(let elements):
        for element in elements {
          guard case .mapping(let members) = element.content else {
            problems.append(CatalogProblem(file: file, line: line, message: "'<<' merges something that is no mapping"))
            continue
          }
          merged += members
        }
      case .scalar:
        problems.append(CatalogProblem(file: file, line: line, message: "'<<' merges something that is no mapping"))
      }
    }
    var present = Set(own.map { Array($0.key.utf8) })
    for member in merged where present.insert(Array(member.key.utf8)).inserted { own.append(member) }
    return own
  }

  private static func plain(_ text: String) -> JSON {
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE": return .bool(true)
    case "false", "False", "FALSE": return .bool(false)
    default: break
    }
    if let integer = JSON(integerText: text) { return integer }
    let isDecimal =
      text.utf8.contains { (48...57).contains($0) } && text.utf8.contains { $0 == 46 || $0 | 32 == 101 }
      && text.utf8.allSatisfy { (48...57).contains($0) || $0 == 43 || $0 == 45 || $0 == 46 || $0 | 32 == 101 }
    if isDecimal, let value = Double(text), let number = JSON(finite: value) { return number }
    return .string(text)
  }
}
