;; Makes a module's bytes of the text that carries them: each byte is a character, 35 higher. In JavaScript, which has
;; only just been loaded, this loop takes longer than all the rest of a first client.
(module
  (memory (export "memory") 0)
  ;; The first `length` bytes of the memory are UTF-8. Puts what they stand for in their place and gives its length.
  (func (export "unpack") (param $length i32) (result i32)
    (local $from i32) (local $to i32) (local $byte i32)
    (loop $next
      (if (i32.lt_u (local.get $from) (local.get $length))
        (then
          (local.set $byte (i32.load8_u (local.get $from)))
          (local.set $from (i32.add (local.get $from) (i32.const 1)))
          ;; Two bytes are a character from 128 to 290; there is none that has three.
          (if (i32.ge_u (local.get $byte) (i32.const 128))
            (then
              (local.set $byte
                (i32.or
                  (i32.shl (i32.and (local.get $byte) (i32.const 31)) (i32.const 6))
                  (i32.and (i32.load8_u (local.get $from)) (i32.const 63))))
              (local.set $from (i32.add (local.get $from) (i32.const 1)))))
          (i32.store8 (local.get $to) (i32.sub (local.get $byte) (i32.const 35)))
          (local.set $to (i32.add (local.get $to) (i32.const 1)))
          (br $next))))
    (local.get $to)))
