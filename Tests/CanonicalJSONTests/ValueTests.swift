import CanonicalJSON
import TestBasics
import Testing

@Suite struct ValueTests {
  @Test func `strings and keys are equal by bytes: composed and decomposed é differ`() {
    let composed = "\u{E9}"
    let decomposed = "e\u{301}"
    #expect(composed == decomposed)
    #expect(JSON.string(composed) != .string(decomposed))
    #expect(JSONObject(members: [(composed, 1)]) != [decomposed: 1])
    #expect(Set([JSON.string(composed), .string(decomposed)]).count == 2)
    var object: JSONObject = [composed: 1]
    #expect(object[decomposed] == nil)
    object[decomposed] = 2
    #expect(object.count == 2)
    #expect(object[composed] == 1)
    object[composed] = nil
    #expect(object.keys.map { Array($0.utf8) } == [Array(decomposed.utf8)])
  }

  @Test func `a number is equal to, and hashes like, every other way to hold the same canonical text`() {
    let equal: [(JSON, JSON)] = [
      (.number(1), .integer(1)), (.number(-0.0), .integer(0)), (.number(1e20), .bigInteger("100000000000000000000")),
      (.bigInteger("5"), .integer(5)), (.number(1e18), .integer(1_000_000_000_000_000_000)),
      (.number(0), .number(-0.0)),
    ]
    for (left, right) in equal {
      #expect(left == right)
      #expect(right == left)
      #expect(left.hashValue == right.hashValue)
      #expect(left.canonicalBytes == right.canonicalBytes)
    }
    let different: [(JSON, JSON)] = [
      (.number(1.5), .integer(1)), (.integer(1), .string("1")),
      (.number(1e21), .bigInteger("1" + String(repeating: "0", count: 21))),
      (.integer(9_007_199_254_740_993), .number(9_007_199_254_740_992)), (.null, .bool(false)),
      (.array([]), .object([:])),
    ]
    for (left, right) in different {
      #expect(left != right)
      #expect(right != left)
    }
  }

  @Test func `literals make the value they look like`() {
    let value: JSON = ["text": "a", "list": [1, 2.5, true, nil], "nested": ["x": -7], "whole": 2.0]
    #expect(value.canonicalString == #"{"list":[1,2.5,true,null],"nested":{"x":-7},"text":"a","whole":2}"#)
    #expect(value["text"]?.stringValue == "a")
    #expect(value["list"]?.arrayValue?.count == 4)
    #expect(value["list"]?.arrayValue?.last?.isNull == true)
    #expect(value["nested"]?["x"]?.integerValue == -7)
    #expect(value["nested"]?.objectValue == ["x": -7])
    #expect(value["list"]?.arrayValue?[2].boolValue == true)
    #expect(value["none"] == nil)
    #expect(value["text"]?["x"] == nil)
    #expect(value.stringValue == nil && value.integerValue == nil && value.doubleValue == nil)
    #expect(value.boolValue == nil && value.arrayValue == nil && !value.isNull)
    #expect((["a": 1, "a": 2] as JSON) == ["a": 2])
  }

  @Test func `a member set to null stays, one set to nil goes`() {
    var object: JSONObject = ["a": 1, "b": nil]
    #expect(object.contains("b"))
    #expect(object["b"] == .some(.null))
    object["a"] = .null
    #expect(object.count == 2)
    object["a"] = nil
    #expect(object.count == 1)
    #expect(!object.contains("a"))
    #expect(object.removeValue(forKey: "a") == nil)
    #expect(object.removeValue(forKey: "b") == .null)
    #expect(object.isEmpty)
  }

  @Test(.seeded)
  func `an object behaves like a dictionary that sorts its keys, whatever is set and removed`() throws {
    var generator = try Seeded()
    var object = JSONObject()
    var model: [String: JSON] = [:]
    for step in 0..<5000 {
      let key = "key\(Int.random(in: 0..<40, using: &generator))"
      switch Int.random(in: 0..<5, using: &generator) {
      case 0:
        #expect(object.removeValue(forKey: key) == model.removeValue(forKey: key))
      case 1:
        object.append(key: key, value: .integer(Int64(step)))
        model[key] = .integer(Int64(step))
      case 2:
        let value: JSON? = Bool.random(using: &generator) ? .integer(Int64(step)) : nil
        object[key] = value
        model[key] = value
      default:
        #expect(object[key] == model[key])
        #expect(object.contains(key) == (model[key] != nil))
      }
      if step % 50 == 0 {
        #expect(object.keys == model.keys.sorted())
        #expect(object.values == model.keys.sorted().map { model[$0] ?? .null })
        #expect(object == JSONObject(members: model.map { ($0.key, $0.value) }))
      }
    }
  }

  @Test func `merging keeps both sides' members, and the other's where both have the key`() {
    let left: JSONObject = ["a": 1, "c": 3, "e": 5]
    let right: JSONObject = ["b": 2, "c": 30, "f": 6]
    #expect(left.merging(right) == ["a": 1, "b": 2, "c": 30, "e": 5, "f": 6])
    #expect(right.merging(left) == ["a": 1, "b": 2, "c": 3, "e": 5, "f": 6])
    #expect(left.merging([:]) == left)
    #expect(JSONObject().merging(left) == left)
  }

  @Test func `mapping and filtering keep the order and the type`() {
    let object: JSONObject = ["b": 2, "a": 1, "c": 3]
    let doubled: JSONObject = object.mapValues { .integer(($0.integerValue ?? 0) * 2) }
    #expect(doubled == ["a": 2, "b": 4, "c": 6])
    let kept: JSONObject = object.filter { key, value in key != "b" && value != 3 }
    #expect(kept == ["a": 1])
    #expect(object.map { "\($0.key)" } == ["a", "b", "c"])
    var spacious = JSONObject(minimumCapacity: 10)
    spacious["x"] = 1
    #expect(Array(spacious).count == 1)
  }
}
