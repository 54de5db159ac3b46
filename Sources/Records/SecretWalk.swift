import CanonicalJSON
import Vault

/// Goes through a field's value, and finds the secrets in it and the tokens that stand for some.
///
/// Where there is a value from before it goes along in that: member by member, and in an array whose elements have an
/// `id` each from an element to the one of the same id, wherever it stood.
struct SecretWalk {
  /// A secret, or what stands where one stood before.
  struct Found {
    let value: JSON
    /// What stands in its place in the value from before.
    let before: JSON?
    /// Whether the value is one by itself, and not only for what stood in its place.
    let isSecret: Bool
    /// Where it stands: the field, and the way to it.
    let path: String
    /// Where what stood in its place is.
    let formerPath: String
  }

  private enum Step {
    case key(String)
    case index(Int)
  }

  private let field: String
  private let scope: SecretScope
  private let visit: (Found) throws -> JSON?
  private var steps: [Step] = []
  private var formerSteps: [Step] = []

  /// A walk through values of a field.
  /// - Parameter visit: answers what takes the place of what was found; nil where it stays.
  init(field: String, scope: SecretScope, visit: @escaping (Found) throws -> JSON?) {
    self.field = field
    self.scope = scope
    self.visit = visit
  }

  /// The value with what was found replaced; nil where nothing was.
  mutating func rewrite(_ value: JSON, before: JSON? = nil) throws -> JSON? {
    if let rule = scope.rule {
      if Vault.isSealed(value) || rule.matches(text: value) { return try found(value, before, isSecret: true) }
      if let former = try formerSecret(value, before) { return former }
      return try rewrite(value, before, rule, under: nil)
    }
    guard case .array(let elements) = value else { return nil }
    return try rewrite(elements, before?.arrayValue) { walk, element, elementBefore in
      guard case .object(let object) = element else { return nil }
      var copy: JSONObject?
      for item in walk.scope.items {
        guard let member = object[item.name] else { continue }
        let changed = try walk.enter(.key(item.name), .key(item.name)) { walk in
          try walk.element(member, elementBefore?[item.name], item.rule)
        }
        if let changed {
          if copy == nil { copy = object }
          copy?[item.name] = changed
        }
      }
      return copy.map(JSON.object)
    }
  }

  private mutating func rewrite(
    _ value: JSON, _ before: JSON?, _ rule: SecretScope.Rule, under parent: String?
  ) throws -> JSON? {
    switch value {
    case .object(let object):
      var copy: JSONObject?
      for (key, member) in object {
        let memberBefore = before?[key]
        let isSecret = Vault.isSealed(member) || rule.matches(key, member, in: object, under: parent)
        if !isSecret, memberBefore == nil, !member.isContainer { continue }
        let changed = try enter(.key(key), .key(key)) { walk -> JSON? in
          if isSecret { return try walk.found(member, memberBefore, isSecret: true) }
          if let former = try walk.formerSecret(member, memberBefore) { return former }
          return try walk.rewrite(member, memberBefore, rule, under: key)
        }
        if let changed {
          if copy == nil { copy = object }
          copy?[key] = changed
        }
      }
      return copy.map(JSON.object)
    case .array(let elements):
      return try rewrite(elements, before?.arrayValue) { walk, element, elementBefore in
        try walk.element(element, elementBefore, rule)
      }
    default: return nil
    }
  }

  private mutating func element(_ value: JSON, _ before: JSON?, _ rule: SecretScope.Rule) throws -> JSON? {
    if Vault.isSealed(value) || rule.matches(text: value) { return try found(value, before, isSecret: true) }
    if let former = try formerSecret(value, before) { return former }
    return try rewrite(value, before, rule, under: nil)
  }

  private mutating func rewrite(
    _ elements: [JSON], _ before: [JSON]?, _ change: (inout SecretWalk, JSON, JSON?) throws -> JSON?
  ) throws -> JSON? {
    var copy: [JSON]?
    let pairs = before.flatMap { ElementPairs(elements, $0) }
    for (index, element) in elements.enumerated() {
      let former = pairs.map { $0[index] } ?? index
      let elementBefore = before.flatMap { former >= 0 && former < $0.count ? $0[former] : nil }
      let changed = try enter(.index(index), .index(former)) { try change(&$0, element, elementBefore) }
      if let changed {
        if copy == nil { copy = elements }
        copy?[index] = changed
      }
    }
    return copy.map(JSON.array)
  }

  private mutating func enter(
    _ step: Step, _ former: Step, _ body: (inout SecretWalk) throws -> JSON?
  ) throws -> JSON? {
    steps.append(step)
    formerSteps.append(former)
    defer {
      steps.removeLast()
      formerSteps.removeLast()
    }
    return try body(&self)
  }

  /// What takes the place of a value that stands where a secret stood; nil where none did.
  private func formerSecret(_ value: JSON, _ before: JSON?) throws -> JSON? {
    guard let before, Vault.isSealed(before) else { return nil }
    return try found(value, before, isSecret: false)
  }

  private func found(_ value: JSON, _ before: JSON?, isSecret: Bool) throws -> JSON? {
    try visit(
      Found(
        value: value, before: before, isSecret: isSecret, path: text(of: steps), formerPath: text(of: formerSteps)))
  }

  private func text(of steps: [Step]) -> String {
    steps.reduce(into: field) { text, step in
      switch step {
      case .key(let key): text += "/" + JSONPointer.escape(key)
      case .index(let index): text += "/\(index)"
      }
    }
  }
}

/// Which element of an array stood where in the array before: by their ids, where every element has one of its own.
struct ElementPairs {
  private let places: [Int]

  /// Nil where elements of either array have no `id`, or two have the same.
  init?(_ elements: [JSON], _ before: [JSON]) {
    guard let first = elements.first, ElementPairs.identifier(of: first) != nil,
      let former = ElementPairs.places(before), let own = ElementPairs.places(elements)
    else { return nil }
    var places = [Int](repeating: -1, count: elements.count)
    for (identifier, place) in own { places[place] = former[identifier] ?? -1 }
    self.places = places
  }

  /// Where the element stood; below zero where it is new.
  subscript(_ index: Int) -> Int { places[index] }

  private static func identifier(of element: JSON) -> JSON? {
    guard let identifier = element["id"], identifier.stringValue != nil || identifier.integerValue != nil else {
      return nil
    }
    return identifier
  }

  private static func places(_ elements: [JSON]) -> [JSON: Int]? {
    var places: [JSON: Int] = [:]
    places.reserveCapacity(elements.count)
    for (index, element) in elements.enumerated() {
      guard let identifier = identifier(of: element), places.updateValue(index, forKey: identifier) == nil else {
        return nil
      }
    }
    return places
  }
}

extension JSON {
  fileprivate var isContainer: Bool {
    switch self {
    case .array, .object: true
    default: false
    }
  }
}
