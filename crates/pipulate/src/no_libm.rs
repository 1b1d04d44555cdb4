//! `pow`, so that the program doesn't load the system's libm: of its functions, only this one is called.
//!
//! A library costs a supervisor 12 KiB of private memory, and each start of the program the time to map it.

/// Returns `base` to the power of `exponent`, as pow(3) does.
#[expect(unsafe_code, reason = "crates of others call it by this name")]
// SAFETY: the signature and the result are those of C's pow.
#[unsafe(no_mangle)]
extern "C" fn pow(base: f64, exponent: f64) -> f64 {
    libm::pow(base, exponent)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_power_is_what_the_standard_says() {
        let powers =
            [(2.0, 10.0, 1024.0), (9.0, 0.5, 3.0), (2.0, -1.0, 0.5), (0.0, 0.0, 1.0), (-2.0, 3.0, -8.0)];
        for (base, exponent, power) in powers {
            assert_eq!(super::pow(base, exponent), power, "{base} to the power of {exponent}");
        }
        assert!(super::pow(-1.0, 0.5).is_nan());
    }
}
