"""What every section of a .nvol file is read with: its fields, and the range coder of FORMAT.md's section MODL."""

import struct


class Refused(Exception):
    pass


def require(condition, what):
    if not condition:
        raise Refused(what)


class Fields:
    def __init__(self, data, name):
        self.data, self.name, self.at = data, name, 0

    def take(self, form):
        size = struct.calcsize("<" + form)
        values = struct.unpack("<" + form, self.bytes(size))
        return values[0] if len(values) == 1 else values

    def bytes(self, count):
        require(self.at + count <= len(self.data), f"{self.name}: too few bytes")
        self.at += count
        return self.data[self.at - count : self.at]

    def whole(self):
        number = 0
        for shift in range(0, 70, 7):
            byte = self.take("B")
            number |= (byte & 127) << shift
            if byte < 128:
                break
        require(byte < 128 and number < 1 << 64, f"{self.name}: a whole of more than 64 bits")
        return number

    def text(self):
        return self.bytes(self.whole()).decode("utf-8")

    def end(self):
        require(self.at == len(self.data), f"{self.name}: bytes left over")


class RangeDecoder:
    def __init__(self, stream):
        self.stream, self.at = stream, 0
        self.range, self.code = 0xFFFFFFFF, 0
        for _ in range(4):
            self.code = self.code << 8 | self.next()

    def next(self):
        byte = self.stream[self.at] if self.at < len(self.stream) else 0
        self.at += 1
        return byte

    def decode(self, p):
        split = (self.range * p) >> 16
        if self.code < split:
            bit, self.range = 0, split
        else:
            bit, self.code, self.range = 1, self.code - split, self.range - split
        while self.range < 1 << 24:
            self.range <<= 8
            self.code = (self.code << 8 | self.next()) & 0xFFFFFFFF
        return bit

    def raw(self, count):
        value = 0
        for _ in range(count):
            value = 2 * value + self.decode(1 << 15)
        return value
