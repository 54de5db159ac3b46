import BasicTypes
import CanonicalJSON
import Refusals

#if canImport(Glibc)
  import Glibc
#endif

/// The check of given values against their fields, and their normal form.
///
/// Pure: the same value and field give the same answer. What passes can be held by the PostgreSQL column of the field's
/// type, so no projection can stop at it: no U+0000, no number outside its column's type, no time outside of years 1 to
/// 9999, no indexed text too long for an index entry, no nesting beyond ``maximumDepth``.
public enum FieldCheck {
  /// How many arrays and objects may be inside each other in one value.
  public static let maximumDepth = 256
  /// The most digits of an integer inside of JSON values.
  public static let maximumIntegerDigits = 1000
  /// The most bytes of UTF-8 in one element of `tags`: each is an entry of a GIN
  /// index, which can't be longer than about 2,700 bytes.
  public static let maximumTagBytes = 2000
  /// Member names that stand for the log's own tokens and that no caller may use.
  public static let reservedMembers = ["$sealed", "$dropped"]

  /// The value in its normal form; what is wrong with it is added to `problems`, and
  /// the value then returned must not be used.
  ///
  /// Times become canonical UTC text, words for an enum value that value, ids lower case, addresses their canonical
  /// text, floats the double they stand for; list items get their defaults and lose members that are null. `null`
  /// passes unless the field is required.
  public static func check(
    _ value: JSON, field: Field, path: String, problems: inout [ValueProblem]
  ) -> JSON {
    if value.isNull {
      if field.isRequired || field.refusesNull {
        problems.append(ValueProblem(path: path, problem: "must not be null"))
      }
      return .null
    }
    switch field.type {
    case .string, .text, .slug, .email, .enum, .ip, .uuid, .reference, .timestamp:
      guard let text = value.stringValue else {
        problems.append(ValueProblem(path: path, problem: "must be a string"))
        return value
      }
      return checkText(text, field: field, path: path, problems: &problems)
    case .integer, .bigint, .float:
      return checkNumber(value, field: field, path: path, problems: &problems)
    case .boolean:
      if value.boolValue == nil { problems.append(ValueProblem(path: path, problem: "must be true or false")) }
    case .json:
      if !field.alternatives.isEmpty { return checkAlternatives(value, field: field, path: path, problems: &problems) }
      checkJSON(value, path: path, problems: &problems)
    case .object:
      guard let object = value.objectValue else {
        problems.append(ValueProblem(path: path, problem: "must be an object"))
        return value
      }
      if !field.items.isEmpty {
        return .object(checkItem(object, field: field, path: path, problems: &problems))
      }
      checkJSON(value, path: path, problems: &problems)
    case .tags:
      guard let elements = value.arrayValue else {
        problems.append(ValueProblem(path: path, problem: "must be an array of strings"))
        return value
      }
      if let maximum = field.maximumCount, elements.count > maximum {
        problems.append(ValueProblem(path: path, problem: "must have at most \(maximum) elements"))
        return value
      }
      if let type = field.elementType {
        return checkElements(elements, type: type, path: path, problems: &problems)
      }
      for (index, element) in elements.enumerated() {
        guard let text = element.stringValue else {
          problems.append(ValueProblem(path: "\(path)/\(index)", problem: "must be a string"))
          continue
        }
        checkNoNull(text, path: "\(path)/\(index)", problems: &problems)
        if text.utf8.count > maximumTagBytes {
          problems.append(
            ValueProblem(
              path: "\(path)/\(index)",
              problem: "must be at most \(maximumTagBytes) bytes: an indexed text too long for an index entry"))
        }
      }
    case .list:
      return checkList(value, field: field, path: path, problems: &problems)
    }
    return value
  }

  /// The first of the forms that a value has.
  private static func checkAlternatives(
    _ value: JSON, field: Field, path: String, problems: inout [ValueProblem]
  ) -> JSON {
    var reasons: [String] = []
    for alternative in field.alternatives {
      var found: [ValueProblem] = []
      let normal = check(value, field: alternative, path: path, problems: &found)
      if found.isEmpty { return normal }
      reasons += found.map(\.problem)
    }
    problems.append(ValueProblem(path: path, problem: reasons.joined(separator: ", or ")))
    return value
  }

  private static func checkElements(
    _ elements: [JSON], type: FieldType, path: String, problems: inout [ValueProblem]
  ) -> JSON {
    var field = Field(name: "", type: type)
    field.isRequired = true
    return .array(
      elements.enumerated().map { check($1, field: field, path: "\(path)/\($0)", problems: &problems) })
  }

  /// Checks a value of no declared shape: what PostgreSQL's `jsonb` can hold, not
  /// too deep, without the log's own tokens.
  public static func checkJSON(_ value: JSON, path: String, problems: inout [ValueProblem]) {
    // Faults are rare: paths are only written where a first look found one.
    if isClean(value, depth: 1) { return }
    checkJSON(value, path: path, depth: 1, problems: &problems)
  }

  private static func isClean(_ value: JSON, depth: Int) -> Bool {
    switch value {
    case .null, .bool, .integer: return true
    case .number(let number): return number.isFinite
    case .bigInteger(let digits): return digits.utf8.count <= maximumIntegerDigits
    case .string(let text): return !text.utf8.contains(0)
    case .array(let elements):
      return depth <= maximumDepth && elements.allSatisfy { isClean($0, depth: depth + 1) }
    case .object(let object):
      return depth <= maximumDepth
        && object.allSatisfy { key, member in
          !key.utf8.contains(0) && key.utf8.first != UInt8(ascii: "$") && isClean(member, depth: depth + 1)
        }
    }
  }

  private static func checkJSON(_ value: JSON, path: String, depth: Int, problems: inout [ValueProblem]) {
    switch value {
    case .null, .bool, .integer: break
    case .number(let number):
      if !number.isFinite { problems.append(ValueProblem(path: path, problem: "must be a finite number")) }
    case .bigInteger(let digits):
      if digits.utf8.count > maximumIntegerDigits {
        problems.append(
          ValueProblem(path: path, problem: "must be an integer of at most \(maximumIntegerDigits) digits"))
      }
    case .string(let text): checkNoNull(text, path: path, problems: &problems)
    case .array(let elements):
      guard isWithinDepth(depth, path: path, problems: &problems) else { return }
      for (index, element) in elements.enumerated() {
        checkJSON(element, path: "\(path)/\(index)", depth: depth + 1, problems: &problems)
      }
    case .object(let object):
      guard isWithinDepth(depth, path: path, problems: &problems) else { return }
      for (key, member) in object {
        let memberPath = "\(path)/\(JSONPointer.escape(key))"
        if key.utf8.contains(0) {
          problems.append(ValueProblem(path: path, problem: "must not have U+0000 in a member's name"))
        }
        if key.utf8.first == UInt8(ascii: "$"), reservedMembers.contains(key) {
          problems.append(ValueProblem(path: memberPath, problem: "is a reserved member name"))
        }
        checkJSON(member, path: memberPath, depth: depth + 1, problems: &problems)
      }
    }
  }

  private static func isWithinDepth(_ depth: Int, path: String, problems: inout [ValueProblem]) -> Bool {
    if depth <= maximumDepth { return true }
    // The path of the fault would be as long as the value is deep: its first steps say enough.
    let steps = path.split(separator: "/", maxSplits: 8, omittingEmptySubsequences: false).prefix(8)
    problems.append(
      ValueProblem(path: steps.joined(separator: "/"), problem: "must not nest deeper than \(maximumDepth)"))
    return false
  }

  private static func checkNoNull(_ text: String, path: String, problems: inout [ValueProblem]) {
    if text.utf8.contains(0) { problems.append(ValueProblem(path: path, problem: "must not contain U+0000")) }
  }

  private static func checkText(
    _ text: String, field: Field, path: String, problems: inout [ValueProblem]
  ) -> JSON {
    func refuse(_ problem: String) -> JSON {
      problems.append(ValueProblem(path: path, problem: problem))
      return .string(text)
    }
    switch field.type {
    case .enum:
      if let meant = field.synonyms[text] { return .string(meant) }
      if !field.values.contains(where: { $0.utf8.elementsEqual(text.utf8) }) {
        if let limit = field.otherWords {
          checkNoNull(text, path: path, problems: &problems)
          if text.allSatisfy(\.isWhitespace) { return refuse("must not be empty") }
          if text.unicodeScalars.count > limit { return refuse("must be at most \(limit) characters") }
          return .string(text)
        }
        return refuse("must be one of \(field.values.joined(separator: ", "))")
      }
      return .string(text)
    case .uuid, .reference:
      guard let identifier = Identifier(text) else { return refuse("must be a UUID of 36 characters") }
      return .string(identifier.text)
    case .timestamp:
      guard let time = Timestamp(text) else {
        return refuse("must be an RFC 3339 time with its zone, of the years 1 to 9999")
      }
      return .string(time.text)
    case .ip:
      guard let address = IPAddress.canonical(text) else { return refuse("must be an IPv4 or IPv6 address") }
      return .string(address)
    case .slug:
      let isSlug =
        !text.isEmpty
        && text.utf8.allSatisfy { byte in
          (97...122).contains(byte) || (65...90).contains(byte) || (48...57).contains(byte) || byte == 45 || byte == 95
        }
      if !isSlug { return refuse("must be letters of ASCII, digits, '-' and '_'") }
    case .email:
      if !isEmail(text) { return refuse("must be an e-mail address: one '@', no spaces") }
    default: break
    }
    if field.isVisible || field.type == .email, let hidden = HiddenCharacter.first(in: text) {
      return refuse("must not contain \(hidden), which nobody sees")
    }
    checkNoNull(text, path: path, problems: &problems)
    if let minimum = field.minimumLength, text.utf8.count < minimum {
      return refuse(minimum == 1 ? "must not be empty" : "must be at least \(minimum) bytes")
    }
    if let maximum = field.maximumLength, text.utf8.count > maximum, text.unicodeScalars.count > maximum {
      problems.append(ValueProblem(path: path, problem: "must be at most \(maximum) characters"))
    } else if let maximum = field.maximumBytes, text.utf8.count > maximum {
      problems.append(
        ValueProblem(
          path: path,
          problem: field.isParameter
            ? "must be at most \(maximum) bytes"
            : "must be at most \(maximum) bytes: an indexed text too long for an index entry"))
    }
    return .string(text)
  }

  private static func isEmail(_ text: String) -> Bool {
    let parts = text.utf8.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return false }
    return text.unicodeScalars.allSatisfy { !$0.properties.isWhitespace && $0.value >= 32 && $0.value != 127 }
  }

  private static func checkNumber(
    _ value: JSON, field: Field, path: String, problems: inout [ValueProblem]
  ) -> JSON {
    func refuse(_ problem: String) -> JSON {
      problems.append(ValueProblem(path: path, problem: problem))
      return value
    }
    let normal: JSON
    let magnitude: Double
    if field.type == .float {
      switch value {
      case .integer, .number, .bigInteger: break
      default: return refuse("must be a number")
      }
      guard let double = value.doubleValue, let finite = JSON(finite: double) else {
        return refuse("must be a finite number in the range of a double")
      }
      normal = finite
      magnitude = double
    } else {
      guard let integer = value.integerValue else {
        if case .bigInteger = value { return refuse("must be an integer of 64 bits") }
        return refuse("must be an integer")
      }
      if field.type == .integer, Int32(exactly: integer) == nil { return refuse("must be an integer of 32 bits") }
      normal = .integer(integer)
      magnitude = Double(integer)
    }
    if let minimum = field.minimum, magnitude < minimum {
      return refuse("must be at least \(JSON(finite: minimum)?.canonicalString ?? "\(minimum)")")
    }
    if let maximum = field.maximum, magnitude > maximum {
      return refuse("must be at most \(JSON(finite: maximum)?.canonicalString ?? "\(maximum)")")
    }
    return normal
  }

  private static func checkList(
    _ value: JSON, field: Field, path: String, problems: inout [ValueProblem]
  ) -> JSON {
    guard let elements = value.arrayValue else {
      problems.append(ValueProblem(path: path, problem: "must be an array of objects"))
      return value
    }
    if let maximum = field.maximumCount, elements.count > maximum {
      problems.append(ValueProblem(path: path, problem: "must have at most \(maximum) elements"))
      return value
    }
    var normal: [JSON] = []
    normal.reserveCapacity(elements.count)
    for (index, element) in elements.enumerated() {
      guard let object = element.objectValue else {
        problems.append(ValueProblem(path: "\(path)/\(index)", problem: "must be an object"))
        continue
      }
      normal.append(.object(checkItem(object, field: field, path: "\(path)/\(index)", problems: &problems)))
    }
    return .array(normal)
  }

  private static func checkItem(
    _ object: JSONObject, field: Field, path: String, problems: inout [ValueProblem]
  ) -> JSONObject {
    var normal = JSONObject(minimumCapacity: field.items.count)
    for (key, member) in object {
      let memberPath = "\(path)/\(JSONPointer.escape(key))"
      guard let item = field.items.first(where: { $0.name.utf8.elementsEqual(key.utf8) }) else {
        guard problems.count <= Refusal.problemLimit else { continue }
        let hint =
          problems.count < Suggestion.mostHints ? Suggestion.hint(for: key, in: field.items.map(\.name)) : ""
        problems.append(ValueProblem(path: memberPath, problem: "is not a known member\(hint)"))
        continue
      }
      if member.isNull { continue }
      normal[key] = check(member, field: item, path: memberPath, problems: &problems)
    }
    for item in field.items where !object.contains(item.name) || object[item.name]?.isNull == true {
      if let value = item.defaultValue {
        normal[item.name] = value
      } else if item.isRequired {
        problems.append(ValueProblem(path: "\(path)/\(item.name)", problem: "is required"))
      }
    }
    return normal
  }
}
